package shoptest

// Payment is the body of a payment's notice, the same one at every call.
func (s *Shop) Payment() string {
	return s.Alipay.SignedNotice(RefundNotice(map[string]string{"refund_fee": "0.00", "gmt_refund": "-"}))
}
