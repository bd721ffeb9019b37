package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/alirefund/alirefund/store"
)

// tokenPrefix marks a merchant that is known by nothing but a token, and named
// in the ledger by the token's digest.
const tokenPrefix = "token:"

// merchant returns the ledger's key of the merchant that a request is for, and
// the token to call with. Both are empty for the application's own merchant. The
// token itself is never stored.
func (e *Engine) merchant(ctx context.Context, name, token string) (merchant, with string, err error) {
	switch {
	case name == "" && token == "":
		return "", "", nil
	case name == "":
		sum := sha256.Sum256([]byte(token))
		return tokenPrefix + hex.EncodeToString(sum[:16]), token, nil
	case token != "":
		return name, token, nil
	case e.app.AppAuthToken == nil:
		return "", "", invalid("/app_auth_token", "required", Text{
			En: "app_auth_token is required: Config.AppAuthToken is not set, so the merchant's token is not known",
			Zh: "app_auth_token 为必填字段：未配置 Config.AppAuthToken，无法取得该商户的令牌",
		})
	}
	token, err = answered(ctx, e, hookOf("AppAuthToken", store.Refund{}), func(ctx context.Context) (string, error) { return e.app.AppAuthToken(ctx, name) })
	if err == nil && token == "" {
		err = errors.New("it returned no token")
	}
	if err != nil {
		return "", "", nothingSent("Config.AppAuthToken", err)
	}
	return name, token, nil
}

// token returns the app_auth_token that a recorded refund is asked about with.
// It fails with errTokenLost where waiting will not bring one.
func (e *Engine) token(ctx context.Context, r store.Refund) (string, error) {
	if token, ok := e.tokens.Load(r.ID); ok {
		return token.(string), nil
	}
	switch {
	case r.Merchant == "":
		return "", nil
	case strings.HasPrefix(r.Merchant, tokenPrefix) || e.app.AppAuthToken == nil:
		return "", errTokenLost
	}
	token, err := answered(ctx, e, hookOf("AppAuthToken", r), func(ctx context.Context) (string, error) { return e.app.AppAuthToken(ctx, r.Merchant) })
	if err == nil && token == "" {
		err = errTokenLost
	}
	return token, err
}
