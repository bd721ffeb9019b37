package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// connection names why an exchange over the network failed.
func connection(err error) code {
	var (
		dns          *net.DNSError
		certificate  *tls.CertificateVerificationError
		record       tls.RecordHeaderError
		alert        tls.AlertError
		interruption net.Error
	)
	switch {
	case errors.As(err, &dns) && !dns.IsTimeout:
		return hostNotFound
	case errors.Is(err, syscall.ECONNREFUSED):
		return refused
	case errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &alert), errors.Is(err, http.ErrSchemeMismatch):
		return tlsFailed
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &interruption) && interruption.Timeout():
		return timedOut
	}
	return noConnection
}

// plain is an error's text without the address, whose query is signed.
func plain(err error) string {
	var wrapped *url.Error
	for errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return err.Error()
}
