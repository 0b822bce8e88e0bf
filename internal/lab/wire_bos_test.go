package lab_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bosgc/internal/lab"
	recording "bosgc/internal/lab/wire"
)

// bosReleases are the releases whose BOS is held against the recording of a version.
var bosReleases = map[string]string{
	"bos-1.7.109": "1.0", "bos-1.10.23": "1.2", "bos-2.0.5": "1.3.1",
	"bos-2.0.47": "1.4", "bos-2.10.28": "1.5", "bos-2.30.5": "1.6",
}

// recordedHang is how long a request that was never answered is waited for.
const recordedHang = 150 * time.Millisecond

// TestBOSAnswersAsRecorded plays every recorded exchange to the BOS of its release.
func TestBOSAnswersAsRecorded(t *testing.T) {
	for version, csm := range bosReleases {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			exchanges, err := recording.Load(version)
			if err != nil {
				t.Fatal(err)
			}
			p := startBOSPlay(t, version, csm)
			for _, e := range exchanges {
				if e.Case == "session-delete-list-too-large" {
					p.manyID = uuid.FindString(e.Request.Path)
				}
			}
			for _, e := range exchanges {
				p.prepare(e)
				p.play(t, e)
			}
		})
	}
}

// bosPlay is a BOS in the course of a recording.
type bosPlay struct {
	*lab.Server
	version string
	manyID  string // one of the sessions that are too many for a list
	now     atomic.Pointer[time.Time]
}

func startBOSPlay(t *testing.T, version, csm string) *bosPlay {
	p := &bosPlay{version: version}
	p.setClock("2024-03-12T09:30:00Z")
	options := lab.ServerOptions{Clock: func() time.Time { return *p.now.Load() }}
	if csm == "1.4" || csm == "1.5" {
		// The real one is 30 s. On CSM 1.5 it begins with a BOS newer than that of the release in the lab.
		options.BOSWorkerLife = 20 * time.Millisecond
	}
	p.Server = start(t, lab.Options{CSM: csm, Seed: 1}, options)
	p.clear()
	return p
}

// clear removes all sessions.
func (p *bosPlay) clear() {
	for _, id := range p.BOS.IDs() {
		p.BOS.Remove(id)
	}
	for _, session := range p.BOS.V2Sessions() {
		p.BOS.RemoveV2(session.Name)
	}
}

func (p *bosPlay) setClock(text string) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	p.now.Store(&at)
}

func (p *bosPlay) play(t *testing.T, e recording.Exchange) {
	t.Helper()
	patience := 20 * time.Second
	if e.Response.Hung {
		patience = recordedHang
	}
	address := strings.TrimPrefix(p.URL("bos"), "http://")
	got, err := recording.Play(t.Context(), address, e.Request, patience)
	if err != nil {
		t.Fatalf("%s: %v", e.Case, err)
	}
	differences := recording.Compare(e.Response, got)
	differences = append(differences, p.compareHeaders(t, e)...)
	differences = append(differences, p.compareEffect(t, e)...)
	if want, have := idsOf(e.Response.Body), idsOf(got.Body); !slices.Equal(want, have) {
		differences = append(differences, "IDs: recorded "+strings.Join(want, " ")+", got "+strings.Join(have, " "))
	}
	if len(differences) > 0 {
		t.Errorf("%s %s (%s):\n\t%s", e.Request.Method, e.Request.Path, e.Case, strings.Join(differences, "\n\t"))
	}
}

const uuidForm = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

var (
	uuid       = regexp.MustCompile(uuidForm)
	uuidOrNode = regexp.MustCompile(uuidForm + `|x\d+c0s\d+b\d+n\d+`)
)

// idsOf returns the IDs of sessions and nodes in a body, sorted.
func idsOf(body any) []string {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	ids := uuidOrNode.FindAllString(string(text), -1)
	slices.Sort(ids)
	return ids
}

// compareHeaders compares the headers that were recorded. None but those of answers that change nothing were.
func (p *bosPlay) compareHeaders(t *testing.T, e recording.Exchange) (differences []string) {
	t.Helper()
	if len(e.Response.Headers) == 0 {
		return nil
	}
	request, err := http.NewRequestWithContext(t.Context(), e.Request.Method, p.URL("bos")+e.Request.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "cray-bos"
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	for name, recorded := range e.Response.Headers {
		if want, have := sortedList(recorded), sortedList(response.Header.Get(name)); want != have {
			differences = append(differences, name+": recorded "+want+", got "+have)
		}
	}
	return differences
}

func sortedList(value string) string {
	return strings.Join(slices.Sorted(slices.Values(strings.Split(value, ", "))), ", ")
}

// compareEffect compares the keys that a session has afterwards.
func (p *bosPlay) compareEffect(t *testing.T, e recording.Exchange) []string {
	t.Helper()
	var effect struct {
		Keys *[]string `json:"etcdKeys"`
	}
	if len(e.Effect) > 0 {
		if err := json.Unmarshal(e.Effect, &effect); err != nil {
			t.Fatal(err)
		}
	}
	if effect.Keys == nil {
		return nil
	}
	id := uuid.FindString(e.Request.Path + " " + strings.Join(*effect.Keys, " "))
	if have := p.BOS.Keys(id); !slices.Equal(*effect.Keys, have) {
		return []string{"keys: recorded " + strings.Join(*effect.Keys, " ") + ", got " + strings.Join(have, " ")}
	}
	return nil
}
