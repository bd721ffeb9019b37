package alirefund

import (
	"fmt"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund/engine"
)

// appKey is a key of gin.Context, appParam the name of a parameter of routes.
const (
	appKey   = "alirefund.app"
	appParam = "app"
)

// SetApp names the application that the request is for, by its app_id, where Config.Apps
// is set. A guard calls it. Where the route names one, too, by a parameter :app, both must
// agree.
func SetApp(c *gin.Context, appID string) { c.Set(appKey, appID) }

// appOf returns the application that the guard and the route name; empty if neither does.
// It fails with [ErrUnknownApp] if they name several.
func appOf(c *gin.Context) (appID string, err error) {
	appID = c.GetString(appKey)
	for _, p := range c.Params {
		switch {
		case p.Key != appParam || p.Value == appID:
		case appID == "":
			appID = p.Value
		default:
			return "", fmt.Errorf("%w: the request names several", ErrUnknownApp)
		}
	}
	return appID, nil
}

// engine returns the engine of the application that a request is for.
func (m *Module) engine(c *gin.Context) (*engine.Engine, error) {
	if !m.several {
		return m.Engine, nil
	}
	appID, err := appOf(c)
	if err != nil || appID == "" {
		return m.Engine, err // which knows what to do with none
	}
	return m.For(c.Request.Context(), appID)
}
