package redisstore_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/storetest"
)

func TestContract(t *testing.T) {
	client := server(t)
	storetest.Run(t, func(t *testing.T) store.Store {
		s, _ := open(t, client)
		return s
	})
}

// A script that touched keys of two slots would fail.
func TestContractInACluster(t *testing.T) {
	client := startCluster(t)
	storetest.Run(t, func(t *testing.T) store.Store {
		s, _ := open(t, client)
		return s
	})
}

// All times are the server's, however the clock of the process is set: it is not read.
func TestNoClockIsRead(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		text, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		if found := regexp.MustCompile(`time\.(Now|Since|Until)\b`).Find(text); found != nil {
			t.Errorf("%s says %s", file.Name(), found)
		}
	}
}
