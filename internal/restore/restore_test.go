package restore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"bosgc/gc"
	"bosgc/internal/cfs"
	"bosgc/internal/collect"
	"bosgc/internal/journal"
	"bosgc/internal/kube"
	"bosgc/internal/kubeconfig"
	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
	"bosgc/internal/progress"
	"bosgc/internal/restore"
	"bosgc/internal/transport"
)

const (
	first  = "5a0df9d1-2c3b-4f5e-8a9b-0123456789ab"
	second = "6a0df9d1-2c3b-4f5e-8a9b-0123456789ab"
	third  = "7a0df9d1-2c3b-4f5e-8a9b-0123456789ab"
)

// plant is a simulated system for restores.
type plant struct {
	*lab.Server
	t       *testing.T
	systems collect.Clients
	config  *rest.Config

	mu      sync.Mutex
	writes  []string    // whatever was not only read
	onWrite func(n int) // is told of the how-manieth it is
}

func build(t *testing.T, csm string) *plant {
	t.Helper()
	p := &plant{t: t}
	world, err := lab.NewWorld(lab.Options{CSM: csm, Seed: 1, Sessions: 1})
	if err != nil {
		t.Fatal(err)
	}
	if p.Server, err = lab.Start(world, lab.ServerOptions{OnRequest: p.note}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	if p.config, err = kubeconfig.Load(p.Kubeconfig(), ""); err != nil {
		t.Fatal(err)
	}
	client, err := kube.New(p.config, kube.Options{Namespace: lab.Namespace, Concurrency: 4, RequestTimeout: 10 * time.Second, ListTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	o := transport.Options{RequestTimeout: 10 * time.Second, Concurrency: 4, RetryWait: time.Millisecond}
	toCFS, err := transport.New(p.URL("cfs"), o)
	if err != nil {
		t.Fatal(err)
	}
	p.systems = collect.Clients{CFS: cfs.New(toCFS, 10*time.Second), Kube: client, Reporter: progress.Reporter{Log: slog.New(slog.DiscardHandler)}, BOSConcurrency: 2, KubeConcurrency: 4}
	return p
}

func (p *plant) note(_ int, r *http.Request) {
	if r.Method != http.MethodGet {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.writes = append(p.writes, r.Method+" "+r.URL.Path)
		if p.onWrite != nil {
			p.onWrite(len(p.writes))
		}
	}
}

func (p *plant) fault(text string) {
	p.t.Helper()
	f, err := lab.ParseFault(text)
	if err == nil {
		err = p.AddFault(f)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *plant) plan(entries ...journal.Entry) *restore.Plan {
	p.t.Helper()
	r, err := restore.MakePlan(p.t.Context(), p.systems, restore.Request{Run: "r", Entries: entries, Namespace: lab.Namespace, Now: time.Now()})
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

func (p *plant) carry(entries ...journal.Entry) *restore.Document {
	p.t.Helper()
	d, err := p.plan(entries...).Execute(p.t.Context(), time.Now)
	if err != nil {
		p.t.Fatal(err)
	}
	return d
}

func (p *plant) configMaps() corev1client.ConfigMapInterface {
	return corev1client.NewForConfigOrDie(p.config).ConfigMaps(lab.Namespace)
}

func (p *plant) step(d restore.Document, kind, name string, action restore.Action, outcome gc.Outcome, detail string) {
	p.t.Helper()
	for _, s := range d.Steps {
		if s.Kind == kind && s.Name == name {
			if s.Action != action || s.Outcome != outcome || !strings.Contains(s.Detail+"; "+s.Error, detail) {
				p.t.Errorf("%s %s: %+v, want %s, %q, %q", kind, name, s, action, outcome, detail)
			}
			return
		}
	}
	p.t.Errorf("%s %s is not in %+v", kind, name, d.Steps)
}

// manifest is a ConfigMap as an API server gives it, with all that it adds.
func manifest(name string, change ...func(*corev1.ConfigMap)) corev1.ConfigMap {
	cm := corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: lab.Namespace, UID: "old", ResourceVersion: "7", CreationTimestamp: metav1.NewTime(time.Now().Add(-time.Hour)),
			Annotations: map[string]string{"c": "d"}, Finalizers: []string{"example.com/never"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "python", Operation: "Update", APIVersion: "v1"}},
		},
		Data: map[string]string{"data.json": "{\"name\": \"t\", \"boot_sets\": {\"a\": {\"path\": \"<&>\\u00e4 \u2028 \"}}}\t\r\n"},
	}
	for _, f := range change {
		f(&cm)
	}
	return cm
}

func of(t *testing.T, cm corev1.ConfigMap) journal.Entry {
	t.Helper()
	text, err := json.Marshal(cm)
	if err != nil {
		t.Fatal(err)
	}
	return journal.Entry{Kind: "ConfigMap", Name: cm.Name, Session: cm.Name, Object: text}
}

func component(id, config, session string) journal.Entry {
	return journal.Entry{Kind: journal.Component, Name: id, Session: session, Object: []byte(fmt.Sprintf(`{"desiredConfig":%q}`, config))}
}

func TestAConfigMapComesBackByteForByte(t *testing.T) {
	p := build(t, "1.4")
	want := manifest(first)
	plan := p.plan(of(t, want))
	p.step(plan.Document, "ConfigMap", first, restore.Create, "", "template t, boot sets a; annotations c")
	if len(p.writes) > 0 || !plan.DryRun || plan.ExitCode != gc.ExitDone || plan.Summary[restore.Create] != 1 {
		t.Errorf("a plan has sent %q, and is %+v", p.writes, plan.Document)
	}
	d, err := plan.Execute(t.Context(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	p.step(*d, "ConfigMap", first, restore.Create, gc.Restored, "")
	if d.ExitCode != gc.ExitDone || d.DryRun || d.FinishedAt == nil || d.Outcomes[gc.Restored] != 1 || len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "bosgc/keep=true") {
		t.Errorf("%+v", d)
	}
	got, err := p.configMaps().Get(t.Context(), first, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range want.Data {
		if got.Data[key] != value {
			t.Errorf("%s is %q, and was %q", key, got.Data[key], value)
		}
	}
	if len(got.Data) != 1 || len(got.BinaryData) != 0 {
		t.Errorf("%q, %v", got.Data, got.BinaryData)
	}
	if got.Annotations["c"] != "d" || len(got.Labels)+len(got.Finalizers)+len(got.ManagedFields) > 0 || got.UID == "old" {
		t.Errorf("%+v", got.ObjectMeta)
	}
	if _, err := plan.Execute(t.Context(), time.Now); err == nil {
		t.Error("carried out twice")
	}
	// Once more, it is there.
	d = p.carry(of(t, want))
	p.step(*d, "ConfigMap", first, restore.Exists, "", "as it was")
	if len(p.writes) != 1 {
		t.Errorf("sent %q", p.writes)
	}
}

func TestWhatIsThereIsLeftAlone(t *testing.T) {
	p := build(t, "1.4")
	for _, name := range []string{first, second, third} {
		cm := manifest(name, func(cm *corev1.ConfigMap) { cm.Finalizers = nil })
		switch name {
		case second:
			cm.Data["data.json"] = `{"boot_sets": {}}`
		case third:
			cm.Annotations = nil
		}
		p.Kube.Add("configmaps", &cm)
	}
	d := p.carry(of(t, manifest(first)), of(t, manifest(second)), of(t, manifest(third)))
	p.step(*d, "ConfigMap", first, restore.Exists, "", "as it was")
	p.step(*d, "ConfigMap", second, restore.Differs, "", "another content")
	p.step(*d, "ConfigMap", third, restore.Exists, "", "other annotations")
	if len(p.writes) > 0 || d.ExitCode != gc.ExitDone {
		t.Errorf("%q, exit code %d", p.writes, d.ExitCode)
	}
}

func TestWhatNeverComesBackSaysWhy(t *testing.T) {
	p := build(t, "1.4")
	elsewhere := of(t, manifest("elsewhere", func(cm *corev1.ConfigMap) { cm.Namespace = "user" }))
	other := of(t, manifest("other"))
	other.Name = "named-otherwise"
	job := journal.Entry{Kind: "Job", Name: "boa-" + first, Object: []byte(`{"kind":"Job","metadata":{"name":"boa-` + first + `"}}`)}
	// What a sweep never deletes: written by somebody who would have an administrator create it.
	labelled := manifest(first, func(cm *corev1.ConfigMap) { cm.Labels = map[string]string{"app": "site"} })
	owned := manifest(second, func(cm *corev1.ConfigMap) {
		cm.OwnerReferences = []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: "gone", UID: types.UID("gone")}}
	})
	moreKeys := manifest(third, func(cm *corev1.ConfigMap) { cm.Data["run.sh"] = "reboot" })
	disguised := job
	disguised.Kind = "ConfigMap"
	d := p.carry(
		job,
		journal.Entry{Kind: "Session", Name: first},
		journal.Entry{Kind: "CFSSession", Name: "batcher-1", Object: []byte(`{}`)},
		journal.Entry{Kind: "Secret", Name: "of-the-future", Object: []byte(`{}`)},
		journal.Entry{Kind: "ConfigMap", Name: "empty"},
		of(t, manifest("cray-bos-config")), of(t, labelled), of(t, owned), of(t, moreKeys),
		component("x2", "compute", ""), component("x3", "compute", "my-session"),
		journal.Entry{Kind: "ConfigMap", Name: "bad", Object: []byte(`{"data":["a"]}`)},
		journal.Entry{Kind: journal.Component, Name: "x1", Object: []byte(`{"desiredConfig":""}`)},
		component("x-nowhere", "c", first),
		elsewhere, other, disguised,
	)
	for _, tt := range []struct{ kind, name, why string }{
		{"Job", "boa-" + first, "boot nodes"},
		{"Session", first, "start a new one"},
		{"CFSSession", "batcher-1", "Ansible again"},
		{"Secret", "of-the-future", "does not know this kind"},
		{"ConfigMap", "empty", "no manifest"},
		{"ConfigMap", "cray-bos-config", "no session has that ID"},
		{"ConfigMap", first, "it has labels"},
		{"ConfigMap", second, "it belongs to Job gone"},
		{"ConfigMap", third, "not exactly one key"},
		{journal.Component, "x2", "which session"},
		{journal.Component, "x3", "which session"},
		{"ConfigMap", "bad", "none of a ConfigMap"},
		{"ConfigMap", "elsewhere", `it was in namespace "user"`},
		{"ConfigMap", "named-otherwise", `is of "other"`},
		{"ConfigMap", "boa-" + first, "of a Job"},
		{journal.Component, "x1", "does not say"},
		{journal.Component, "x-nowhere", "no such component"},
	} {
		p.step(*d, tt.kind, tt.name, restore.Impossible, "", tt.why)
	}
	if len(p.writes) > 0 || d.ExitCode != gc.ExitDone || d.Summary[restore.Impossible] != 17 {
		t.Errorf("%q, exit code %d, %v", p.writes, d.ExitCode, d.Summary)
	}
}

func TestComponentsOfEitherVersion(t *testing.T) {
	for _, csm := range []string{"1.4", "1.5"} {
		t.Run(csm, func(t *testing.T) {
			p := build(t, csm)
			tags := map[string]string{"bos_session": first}
			for id, config := range map[string]string{"x1": "", "x2": "compute", "x3": "other", "x4": ""} {
				p.CFS.AddComponent(simcfs.Component{ID: id, DesiredConfig: config, Tags: tags, Enabled: id == "x1"})
			}
			d := p.carry(component("x1", "compute", first), component("x2", "compute", first), component("x3", "compute", first), component("x4", "compute", second))
			p.step(*d, journal.Component, "x1", restore.Set, gc.Restored, `becomes "compute" again`)
			p.step(*d, journal.Component, "x2", restore.Exists, "", "as it was")
			p.step(*d, journal.Component, "x3", restore.Kept, "", `"other" now`)
			p.step(*d, journal.Component, "x4", restore.Kept, "", "session "+first+" has configured it since")
			if now, _ := p.CFS.Component("x1"); now.DesiredConfig != "compute" || !now.Enabled {
				t.Errorf("%+v", now)
			}
			if len(p.writes) != 1 || d.ExitCode != gc.ExitDone || len(p.Danger()) > 0 {
				t.Errorf("sent %q, exit code %d, danger %q", p.writes, d.ExitCode, p.Danger())
			}
		})
	}
}

// What an object was when it was deleted is in its last entry; but a component that was unset has
// an entry that says so if it was tried twice.
func TestOfSeveralEntriesTheRightOneCounts(t *testing.T) {
	p := build(t, "1.4")
	p.CFS.AddComponent(simcfs.Component{ID: "x1"})
	old := manifest(first, func(cm *corev1.ConfigMap) { cm.Data["data.json"] = `{"boot_sets": {"old": {}}}` })
	d := p.carry(of(t, old), component("x1", "compute", first), of(t, manifest(first)), component("x1", "", first))
	if len(d.Steps) != 2 {
		t.Errorf("%+v", d.Steps)
	}
	got, err := p.configMaps().Get(t.Context(), first, metav1.GetOptions{})
	if now, _ := p.CFS.Component("x1"); err != nil || strings.Contains(got.Data["data.json"], "old") || now.DesiredConfig != "compute" {
		t.Errorf("%v, %q, %+v", err, got.Data, now)
	}
}

func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		fault  string
		cm     [2]string // outcome, part of the error
		node   [2]string
		action restore.Action // of the ConfigMap
	}{
		{"lose-answer,system=kube,method=POST,count=1", [2]string{"restored"}, [2]string{"restored"}, restore.Create},
		{"lose-answer,system=cfs,method=PATCH", [2]string{"restored"}, [2]string{"restored"}, restore.Create},
		{"status=403,system=kube,method=POST", [2]string{"failed", "create ConfigMap"}, [2]string{"restored"}, restore.Create},
		{"null,system=kube,method=POST", [2]string{"failed", "is no answer of the API server"}, [2]string{"restored"}, restore.Create}, // said to be done by something else
		{"status=503,system=cfs,method=PATCH", [2]string{"restored"}, [2]string{"failed", "503"}, restore.Create},
		{"status=403,system=kube,method=GET", [2]string{"failed", "get ConfigMap"}, [2]string{"restored"}, restore.Kept},
		{"status=400,system=cfs,method=GET,path=components", [2]string{"restored"}, [2]string{"failed", "400"}, restore.Create},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			p := build(t, "1.5")
			p.CFS.AddComponent(simcfs.Component{ID: "x1"})
			p.fault(tt.fault)
			d := p.carry(of(t, manifest(first)), component("x1", "compute", first))
			p.step(*d, "ConfigMap", first, tt.action, gc.Outcome(tt.cm[0]), tt.cm[1])
			node := restore.Set
			if strings.Contains(tt.fault, "GET,path=components") {
				node = restore.Kept
			}
			p.step(*d, journal.Component, "x1", node, gc.Outcome(tt.node[0]), tt.node[1])
			want := gc.ExitDone
			if tt.cm[0] == "failed" || tt.node[0] == "failed" {
				want = gc.ExitPartial
			}
			if d.ExitCode != want {
				t.Errorf("exit code %d, want %d", d.ExitCode, want)
			}
		})
	}
}

func TestWhoeverWasFasterWins(t *testing.T) {
	p := build(t, "1.4")
	p.CFS.AddComponent(simcfs.Component{ID: "x1"})
	plan := p.plan(of(t, manifest(first)), component("x1", "compute", first))
	theirs := manifest(first, func(cm *corev1.ConfigMap) { cm.Data = map[string]string{"theirs": "1"} })
	p.Kube.Add("configmaps", &theirs)
	p.CFS.AddComponent(simcfs.Component{ID: "x1", DesiredConfig: "theirs"})
	d, err := plan.Execute(t.Context(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	p.step(*d, "ConfigMap", first, restore.Create, gc.Skipped, "meanwhile")
	p.step(*d, journal.Component, "x1", restore.Set, gc.Skipped, `"theirs"`)
	got, err := p.configMaps().Get(t.Context(), first, metav1.GetOptions{})
	if now, _ := p.CFS.Component("x1"); err != nil || got.Data["theirs"] != "1" || now.DesiredConfig != "theirs" {
		t.Errorf("%v, %q, %+v", err, got.Data, now)
	}
}

func TestARestoreThatIsStoppedSaysSo(t *testing.T) {
	p := build(t, "1.4")
	var entries []journal.Entry
	for n := range 20 {
		entries = append(entries, of(t, manifest(fmt.Sprintf("5a0df9d1-2c3b-4f5e-8a9b-0123456789%02d", n))))
	}
	plan := p.plan(entries...)
	ctx, cancel := context.WithCancelCause(t.Context())
	p.onWrite = func(n int) {
		if n == 10 { // of which at least 6 have been answered: 4 are under way at once
			cancel(errors.New("told to"))
		}
	}
	d, err := plan.Execute(ctx, time.Now)
	if err != nil || d.ExitCode != gc.ExitFailed || d.Stopped != "told to" || d.Outcomes[gc.Waiting] == 0 || d.Outcomes[gc.Restored] == 0 {
		t.Errorf("%v, %+v", err, d.Outcomes)
	}
	if _, err := restore.MakePlan(ctx, p.systems, restore.Request{Entries: entries}); err == nil {
		t.Error("half a plan")
	}
}
