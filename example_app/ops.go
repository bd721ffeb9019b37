package main

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/console"
)

// Where the staff look after refunds.
const (
	opsPath   = "/ops"
	loginPath = opsPath + "/login"
)

// A signed-in browser shows this cookie, for so long.
const (
	opsCookie = "shop_staff"
	opsTime   = 12 * time.Hour
)

// sessions are those who are signed in at this process. A real shop has its own.
type sessions struct {
	mu     sync.Mutex
	people map[string]person
}

type person struct {
	name  string
	until time.Time
}

// begin signs somebody in, and forgets those whose time is over.
func (s *sessions) begin(name string) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.people == nil {
		s.people = map[string]person{}
	}
	for id, p := range s.people {
		if time.Now().After(p.until) {
			delete(s.people, id)
		}
	}
	id = rand.Text()
	s.people[id] = person{name, time.Now().Add(opsTime)}
	return id
}

// name tells who is signed in.
func (s *sessions) name(id string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, known := s.people[id]
	return p.name, known && time.Now().Before(p.until)
}

// mountOps mounts the console behind the staff's token, which a browser says once, with
// a name.
func (s *shop) mountOps(r gin.IRouter, m *alirefund.Module) {
	in := s.staff
	console.Mount(m, r.Group(opsPath), func(c *gin.Context) {
		id, _ := c.Cookie(opsCookie)
		name, ok := in.name(id)
		if !ok {
			c.Redirect(http.StatusSeeOther, loginPath)
			c.Abort()
			return
		}
		alirefund.SetActor(c, name)
		console.Grant(c) // a real shop says who may act
	})
	r.GET(loginPath, func(c *gin.Context) { writeLogin(c, http.StatusOK, false) })
	var foreign http.CrossOriginProtection
	r.POST(loginPath, func(c *gin.Context) {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, 4096)
		name := strings.TrimSpace(c.PostForm("name"))
		switch {
		case foreign.Check(c.Request) != nil:
			c.AbortWithStatus(http.StatusForbidden)
		case name == "" || len(name) > 64 || !s.isStaff(c.PostForm("token")):
			writeLogin(c, http.StatusUnauthorized, true)
		default:
			http.SetCookie(c.Writer, &http.Cookie{ //nolint:gosec // the example speaks plain HTTP, or stands behind a proxy that does not
				Name: opsCookie, Value: in.begin(name), Path: "/", MaxAge: int(opsTime.Seconds()),
				HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: c.Request.TLS != nil,
			})
			to := opsPath + "/"
			if c.Query("to") == "/" { // the page of the demo
				to = "/"
			}
			c.Redirect(http.StatusSeeOther, to)
		}
	})
}

// isStaff tells whether it is the staff's token.
func (s *shop) isStaff(token string) bool {
	given, wanted := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.staffToken))
	return subtle.ConstantTimeCompare(given[:], wanted[:]) == 1
}

var loginPage = template.Must(template.New("login").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sign in 登录</title>
</head>
<body>
<main>
<h1>Sign in 登录</h1>
{{if .}}<p role="alert">A name and the staff's token are wanted. 请填写姓名和员工令牌。</p>{{end}}
<form method="post">
<p><label>Name 姓名<br><input name="name" autocomplete="username" maxlength="64" required></label></p>
<p><label>Staff token 员工令牌<br><input name="token" type="password" autocomplete="current-password" required></label></p>
<p><button>Sign in 登录</button></p>
</form>
</main>
</body>
</html>
`))

func writeLogin(c *gin.Context, status int, again bool) {
	c.Header("Content-Security-Policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	c.Header("Cache-Control", "no-store")
	c.Header("Content-Type", "text/html; charset=utf-8")
	c.Status(status)
	_ = loginPage.Execute(c.Writer, again) // the client is gone
}
