package shoptest

import (
	"github.com/alirefund/alirefund/store"
)

func StoreFilter(s *Shop) store.Filter { return store.Filter{App: s.Config.App.ID} }
