package simbos

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// TenantHeader is the header with which CSM 1.5 refuses every request to v1 but those for its version and health.
const TenantHeader = "Cray-Tenant-Name"

// handler serves a request to a path that has args for the variable elements of its route.
type handler func(w http.ResponseWriter, r *http.Request, args []string)

type methods map[string]handler

// allow returns the methods of a route as the web framework names them: it adds two of its own.
func (m methods) allow() string {
	names := slices.Sorted(maps.Keys(m))
	if m[http.MethodGet] != nil {
		names = append(names, http.MethodHead)
	}
	return strings.Join(append(names, http.MethodOptions), ", ")
}

// route is a path that BOS serves, with * for a variable element.
type route struct {
	elements []string
	methods  methods
}

func (s *Server) routes() []route {
	routes := map[string]methods{"/": {"GET": s.root}}
	if s.options.V1 {
		maps.Copy(routes, s.routesV1())
	}
	if s.options.V2 {
		maps.Copy(routes, s.routesV2())
	}
	var table []route
	for path, methods := range routes {
		table = append(table, route{strings.Split(path, "/"), methods})
	}
	return table
}

func (s *Server) routesV1() map[string]methods {
	version := methods{"GET": s.version("/v1")}
	templates := func(serve handler) handler { return s.refusingTenants(s.withTemplates(serve)) }
	return map[string]methods{
		"/v1":         version,
		"/v1/version": version,
		"/v1/healthz": {"GET": s.healthV1},
		"/v1/session": {"GET": s.inV1(s.list), "POST": s.refusingTenants(s.post)},
		"/v1/session/*": {
			"GET": s.inV1(s.get), "DELETE": s.inV1(s.delete),
		},
		"/v1/session/*/status": {
			"GET": s.inV1(s.getStatus), "DELETE": s.inV1(s.deleteStatus),
			"POST": s.inV1(s.postStatus), "PATCH": s.inV1(s.patchStatus),
		},
		"/v1/session/*/status/*": {
			"GET": s.inV1(s.getBootSet), "DELETE": s.inV1(s.deleteStatus),
			"POST": s.inV1(s.postBootSet), "PATCH": s.inV1(s.patchBootSet),
		},
		"/v1/session/*/status/*/*":   {"GET": s.inV1(s.getPhase)},
		"/v1/session/*/status/*/*/*": {"GET": s.inV1(s.getCategory)},
		"/v1/sessiontemplate":        {"GET": templates(s.listTemplates), "POST": templates(s.postTemplate)},
		"/v1/sessiontemplate/*":      {"GET": templates(s.getTemplate), "DELETE": templates(s.deleteTemplate)},
	}
}

func (s *Server) routesV2() map[string]methods {
	version := methods{"GET": s.version("/v2")}
	return map[string]methods{
		"/v2":         version,
		"/v2/version": version,
		"/v2/healthz": {"GET": s.healthV2},
		"/v2/sessions": {
			"GET": s.inV2(s.listV2), "POST": s.inV2(s.postV2), "DELETE": s.inV2(s.deleteAllV2),
		},
		"/v2/sessions/*": {
			"GET": s.inV2(s.getV2), "PATCH": s.inV2(s.patchV2), "DELETE": s.inV2(s.deleteV2),
		},
		"/v2/sessions/*/status": {"GET": s.inV2(s.getStatusV2)},
		"/v2/sessiontemplates":  {"GET": s.withTemplates(s.listTemplates)},
		"/v2/sessiontemplates/*": {
			"GET": s.withTemplates(s.getTemplate), "PUT": s.withTemplates(s.putTemplate),
			"DELETE": s.withTemplates(s.deleteTemplate),
		},
	}
}

// inV1 returns a handler that refuses tenants and waits for etcd.
func (s *Server) inV1(next handler) handler {
	return s.refusingTenants(func(w http.ResponseWriter, r *http.Request, args []string) {
		s.awaitDatabase()
		next(w, r, args)
	})
}

func (s *Server) refusingTenants(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, args []string) {
		if s.options.RefuseTenants && r.Header.Get(TenantHeader) != "" {
			writeProblem(w, http.StatusBadRequest, "Multi-tenancy not supported",
				"BOS v1 endpoints do not support multi-tenancy and a tenant was specified in the header")
			return
		}
		next(w, r, args)
	}
}

// inV2 returns a handler that needs redis.
func (s *Server) inV2(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, args []string) {
		if s.redisAnswers(w) {
			next(w, r, args)
		}
	}
}

// redisAnswers reports whether redis is up. If it is down, it has answered with that.
func (s *Server) redisAnswers(w http.ResponseWriter) bool {
	if s.redisDown.Load() {
		writeProblem(w, http.StatusServiceUnavailable, "Unable to connect to the Redis database",
			"Error 111 connecting to cray-bos-db:6379. Connection refused.")
		return false
	}
	return true
}

// route serves a request. An encoded slash is one, because the paths of WSGI are decoded.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	path := resolveDots(r.URL.Path)
	if merged := severalSlashes.ReplaceAllString(path, "/"); merged != path {
		if methods, _ := s.match(merged); methods == nil {
			writeNoRoute(w)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Location", "http://"+r.Host+merged)
		w.WriteHeader(http.StatusPermanentRedirect)
		_, _ = w.Write([]byte("<!doctype html>\n<title>Redirecting...</title>\n"))
		return
	}
	methods, args := s.match(path)
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	switch serve := methods[method]; {
	case methods == nil:
		writeNoRoute(w)
	case serve != nil:
		serve(w, r, args)
	case method == http.MethodOptions:
		w.Header().Set("Allow", methods.allow())
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	default:
		w.Header().Set("Allow", methods.allow())
		writeProblem(w, http.StatusMethodNotAllowed, "Method Not Allowed",
			"The method is not allowed for the requested URL.")
	}
}

// match returns the methods of the route of a path, or nil, and the variable elements of the path.
func (s *Server) match(path string) (methods, []string) {
	elements := strings.Split(path, "/")
	for _, route := range s.routeTable {
		if args, ok := matchElements(route.elements, elements); ok {
			return route.methods, args
		}
	}
	return nil, nil
}

func matchElements(pattern, elements []string) (args []string, ok bool) {
	if len(pattern) != len(elements) {
		return nil, false
	}
	for i, element := range elements {
		switch {
		case pattern[i] == "*" && element != "":
			args = append(args, element)
		case pattern[i] != element:
			return nil, false
		}
	}
	return args, true
}

var severalSlashes = regexp.MustCompile("//+")

// resolveDots removes the elements . and .. of a path, as uWSGI does.
func resolveDots(path string) string {
	kept := []string{""}
	elements := strings.Split(path, "/")
	for i, element := range elements[1:] {
		last := i == len(elements)-2
		switch element {
		case ".":
		case "..":
			kept = kept[:max(1, len(kept)-1)]
		default:
			kept = append(kept, element)
			continue
		}
		if last {
			kept = append(kept, "")
		}
	}
	return strings.Join(kept, "/")
}
