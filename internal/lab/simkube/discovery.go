package simkube

import (
	"net/http"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
)

var namespaces = schema.GroupResource{Resource: "namespaces"}

// resource is a kind of object that is served.
type resource struct {
	group, plural, kind string
	short               []string
	versions            []string // preferred version first
	namespaced          bool
	columns             []column
}

func (r resource) served(v schema.GroupVersion) bool {
	return r.group == v.Group && slices.Contains(r.versions, v.Version)
}

// resources lists what is served. CronJobs are batch/v1beta1 alone before Kubernetes 1.21,
// and both until 1.24 (docs/csm.md, "CronJob").
func resources(cronJobV1 bool) []resource {
	cron := []string{"v1beta1"}
	if cronJobV1 {
		cron = []string{"v1", "v1beta1"}
	}
	v1 := []string{"v1"}
	return []resource{
		{"", "namespaces", "Namespace", []string{"ns"}, v1, false, namespaceColumns},
		{"", "configmaps", "ConfigMap", []string{"cm"}, v1, true, configMapColumns},
		{"", "pods", "Pod", []string{"po"}, v1, true, podColumns},
		{"", "events", "Event", []string{"ev"}, v1, true, nil},
		{"batch", "jobs", "Job", nil, v1, true, jobColumns},
		{"batch", "cronjobs", "CronJob", []string{"cj"}, cron, true, cronJobColumns},
		{"apps", "deployments", "Deployment", []string{"deploy"}, v1, true, deploymentColumns},
		{"coordination.k8s.io", "leases", "Lease", nil, v1, true, nil},
	}
}

// serveDiscovery answers requests for versions, groups and resources. It returns false for any other.
func (s *Server) serveDiscovery(w http.ResponseWriter, r *http.Request) bool {
	path := strings.TrimSuffix(r.URL.Path, "/")
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	switch {
	case r.Method != http.MethodGet:
		return false
	case path == "/healthz", path == "/livez", path == "/readyz":
		_, _ = w.Write([]byte("ok"))
	case path == "/version":
		writeJSON(w, http.StatusOK, s.versionInfo())
	case path == "/api":
		send(w, r, http.StatusOK, &metav1.APIVersions{
			TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"},
			ServerAddressByClientCIDRs: []metav1.ServerAddressByClientCIDR{{ClientCIDR: "0.0.0.0/0", ServerAddress: r.Host}},
		})
	case path == "/apis":
		send(w, r, http.StatusOK, &metav1.APIGroupList{
			TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: s.groups(),
		})
	case len(parts) == 2 && parts[0] == "api":
		return s.serveResourceList(w, r, schema.GroupVersion{Version: parts[1]})
	case len(parts) == 2 && parts[0] == "apis":
		for _, group := range s.groups() {
			if group.Name == parts[1] {
				group.TypeMeta = metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}
				send(w, r, http.StatusOK, &group)
				return true
			}
		}
		return false
	case len(parts) == 3 && parts[0] == "apis":
		return s.serveResourceList(w, r, schema.GroupVersion{Group: parts[1], Version: parts[2]})
	default:
		return false
	}
	return true
}

func (s *Server) versionInfo() version.Info {
	parts := strings.SplitN(s.options.GitVersion, ".", 3)
	return version.Info{
		Major: parts[0], Minor: parts[1], GitVersion: "v" + s.options.GitVersion, GitTreeState: "clean",
		GoVersion: "go1.16.15", Compiler: "gc", Platform: "linux/amd64",
	}
}

func (s *Server) groups() []metav1.APIGroup {
	var groups []metav1.APIGroup
	for _, name := range []string{"apps", "batch", "coordination.k8s.io"} {
		group := metav1.APIGroup{Name: name}
		for _, v := range []string{"v1", "v1beta1"} {
			gv := schema.GroupVersion{Group: name, Version: v}
			if slices.ContainsFunc(s.resources, func(r resource) bool { return r.served(gv) }) {
				served := metav1.GroupVersionForDiscovery{GroupVersion: gv.String(), Version: v}
				group.Versions = append(group.Versions, served)
			}
		}
		group.PreferredVersion = group.Versions[0]
		groups = append(groups, group)
	}
	return groups
}

func (s *Server) serveResourceList(w http.ResponseWriter, r *http.Request, gv schema.GroupVersion) bool {
	list := metav1.APIResourceList{
		TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: gv.String(),
	}
	for _, served := range s.resources {
		if served.served(gv) {
			list.APIResources = append(list.APIResources, metav1.APIResource{
				Name: served.plural, SingularName: strings.ToLower(served.kind), Kind: served.kind,
				ShortNames: served.short, Namespaced: served.namespaced,
				Verbs: metav1.Verbs{"create", "delete", "deletecollection", "get", "list", "patch", "update"},
			})
			if served.plural == "deployments" {
				list.APIResources = append(list.APIResources, metav1.APIResource{
					Name: served.plural + "/scale", Group: "autoscaling", Version: "v1", Kind: "Scale", Namespaced: true,
					Verbs: metav1.Verbs{"get", "patch", "update"},
				})
			}
		}
	}
	if len(list.APIResources) == 0 {
		return false
	}
	send(w, r, http.StatusOK, &list)
	return true
}
