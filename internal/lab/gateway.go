package lab

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	tokenPath    = "/keycloak/realms/shasta/protocol/openid-connect/token"
	loginPath    = "/keycloak/realms/shasta/protocol/openid-connect/auth"
	clientID     = "admin-client"
	clientSecret = "lab-only-secret"
)

// tokens are those that the token endpoint has issued.
type tokens struct {
	life time.Duration

	mu    sync.Mutex
	valid map[string]time.Time // until when
}

func (t *tokens) issue() (token string, life time.Duration) {
	life = t.life
	if life <= 0 {
		life = time.Hour
	}
	token = rand.Text()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.valid[token] = time.Now().Add(life)
	return token, life
}

func (t *tokens) accepts(r *http.Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Now().Before(t.valid[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")])
}

// RevokeTokens revokes every token issued so far.
func (s *Server) RevokeTokens() {
	s.tokens.mu.Lock()
	defer s.tokens.mu.Unlock()
	clear(s.tokens.valid)
}

// gateway serves the API gateway: Keycloak's token endpoint, and BOS and CFS below /apis for requests with a token.
func (s *Server) gateway(bos, cfs http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(tokenPath, s.intercept("token", http.HandlerFunc(s.serveToken)))
	mux.HandleFunc(loginPath, func(w http.ResponseWriter, _ *http.Request) { sendHTML(w) })
	// Not through the mux: it cleans paths, so that a double slash would never arrive.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for prefix, inner := range map[string]http.Handler{"/apis/bos": bos, "/apis/cfs": cfs} {
			if strings.HasPrefix(r.URL.Path, prefix+"/") {
				s.authorized(http.StripPrefix(prefix, inner)).ServeHTTP(w, r)
				return
			}
		}
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) authorized(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.tokens.accepts(r) {
			inner.ServeHTTP(w, r)
			return
		}
		switch s.options.Login {
		case "html":
			sendHTML(w)
		case "401":
			w.Header().Set("WWW-Authenticate", `Bearer realm="shasta"`)
			http.Error(w, "Jwt is missing", http.StatusUnauthorized)
		default:
			http.Redirect(w, r, loginPath, http.StatusFound)
		}
	})
}

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	w.Header().Set("Content-Type", "application/json")
	refuse := func(status int, reason, text string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": reason, "error_description": text})
	}
	switch {
	case r.Method != http.MethodPost:
		refuse(http.StatusMethodNotAllowed, "invalid_request", "HTTP 405 Method Not Allowed")
	case id != clientID || secret != clientSecret:
		refuse(http.StatusUnauthorized, "unauthorized_client", "Invalid client or Invalid client credentials")
	case r.PostFormValue("grant_type") != "client_credentials":
		refuse(http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant_type")
	default:
		token, life := s.tokens.issue()
		_ = json.NewEncoder(w).Encode(map[string]any{
			"access_token": token, "expires_in": int(life / time.Second),
			"token_type": "Bearer", "scope": "email profile",
		})
	}
}
