package journal

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/internal/kube"
	"bosgc/internal/lab"
	"bosgc/internal/lab/labtest"
)

// cluster is a simulated API server and a store in it.
type cluster struct {
	*lab.Server
	*kube.Store
	t *testing.T

	mu     sync.Mutex
	writes []string            // method and ConfigMap of each write, in order; a POST names none
	before func(*http.Request) // is called directly before a request is carried out; may be nil
}

func start(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t}
	var client *kube.Client
	c.Server, client = labtest.Start(t, lab.ServerOptions{OnRequest: c.note}, 10*time.Second)
	c.Store = client.Store(lab.Namespace)
	return c
}

func (c *cluster) note(_ int, r *http.Request) {
	if c.before != nil {
		c.before(r)
	}
	if r.Method == http.MethodGet || r.Method == http.MethodDelete {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = append(c.writes, r.Method+" "+r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])
}

func (c *cluster) fault(text string) {
	c.t.Helper()
	f, err := lab.ParseFault(text)
	if err == nil {
		err = c.AddFault(f)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) options(run string) Options {
	return Options{Store: c.Store, Name: "bosgc", Run: run, Runs: 20}
}

func (c *cluster) open(o Options, l limits) *Journal {
	c.t.Helper()
	j, err := open(c.t.Context(), o, l)
	if err != nil {
		c.t.Fatal(err)
	}
	return j
}

func (c *cluster) write(j *Journal, entries ...Entry) {
	c.t.Helper()
	if err := j.Write(c.t.Context(), entries); err != nil {
		c.t.Fatal(err)
	}
}

// read returns the names of the entries of a run, whose journal must be complete.
func (c *cluster) read(run string) []string {
	c.t.Helper()
	entries, err := Read(c.t.Context(), c.Store, "bosgc", run)
	if err != nil {
		c.t.Fatal(err)
	}
	return names(entries)
}

func names(entries []Entry) []string {
	all := []string{}
	for _, e := range entries {
		all = append(all, e.Name)
	}
	return all
}

// runs returns the runs, the newest first, as "run:chunks".
func (c *cluster) runs() string {
	c.t.Helper()
	all, err := Runs(c.t.Context(), c.Store, "bosgc")
	if err != nil {
		c.t.Fatal(err)
	}
	var texts []string
	for _, r := range all {
		texts = append(texts, fmt.Sprintf("%s:%d", r.Run, r.Chunks))
	}
	return strings.Join(texts, " ")
}

func (c *cluster) chunks() []string {
	var all []string
	for _, name := range c.Kube.Names("configmaps", lab.Namespace) {
		if strings.Contains(name, "-journal-") {
			all = append(all, name)
		}
	}
	return all
}

// onlyCreated requires that no ConfigMap was changed.
func (c *cluster) onlyCreated() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.writes {
		if !strings.HasPrefix(w, http.MethodPost) {
			c.t.Errorf("written over: %s", w)
		}
	}
}

func (c *cluster) same(got, want []string) {
	c.t.Helper()
	if !slices.Equal(got, want) {
		c.t.Errorf("%d entries %.200q, want %d %.200q", len(got), got, len(want), want)
	}
}

func entry(name string, object string) Entry {
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	return Entry{At: at, Kind: "ConfigMap", Name: name, Object: []byte(object)}
}

// addStray creates a ConfigMap with the journal's label that is none of its chunks.
func (c *cluster) addStray(name string, labels map[string]string) {
	c.t.Helper()
	labels[journalLabel] = "bosgc"
	if _, err := c.Put(c.t.Context(), kube.StoredConfigMap{Name: name, Labels: labels}); err != nil {
		c.t.Fatal(err)
	}
}

// addRun creates the chunks of a run, with the given age.
func (c *cluster) addRun(run string, chunks int, age time.Duration) {
	for n := range chunks {
		body := compressed(c.t, []byte(`{"run":"`+run+`","kind":"Job","name":"x"}`+"\n"))
		c.Kube.Add("configmaps", &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{
				Name: chunkName("bosgc", run, n), Namespace: lab.Namespace,
				CreationTimestamp: metav1.NewTime(time.Now().Add(-age)),
				Labels: map[string]string{
					"app.kubernetes.io/managed-by": "bosgc", journalLabel: "bosgc", runLabel: run,
					bytesLabel: fmt.Sprint(len(body)), entriesLabel: "1",
				},
			},
			BinaryData: map[string][]byte{contentKey: body},
		})
	}
}
