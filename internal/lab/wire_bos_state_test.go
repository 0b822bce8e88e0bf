package lab_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"bosgc/internal/lab/simbos"
	recording "bosgc/internal/lab/wire"
)

// The sessions of the recordings, and their nodes.
const (
	posted        = "aa0e7de6-592b-48bb-8f60-c684d2c47ce4"
	noStatus      = "d53e7319-0534-4b30-9488-f8c373ba446e"
	toDelete      = "f053276e-0285-481c-b775-c4d28a92969a"
	madeByBOA     = "55433263-4c98-4c86-88c9-dfda798776bb"
	withoutSet    = "6d73d70d-b5d9-42ae-9dda-26604de0781a"
	before10      = "179b7543-4a05-4aa7-9457-191e4f90cfd0"
	finishedID    = "004e509f-0c3e-42d2-a71f-3fd8e8708128"
	runningID     = "4c364219-1131-4da1-a2eb-149865d9c5d0"
	failedID      = "18df7977-bba4-4da8-bd25-c5bdd1ca1943"
	wholeSecond   = "1c291010-2f97-4a70-bddc-db08fb3b76c9"
	unreadable    = "434be69b-cbdf-499a-9ca7-262708f826a3"
	withTenant    = "a826e5d1-a4c6-4133-b005-b30af147905f"
	v2Complete    = "5c077672-709e-459a-945d-48fd23a46798"
	oldStart      = "2024-01-15T10:00:00.123456Z"
	oldStop       = "2024-01-15 10:42:42.424242"
	whenPosted    = "2024-03-12T09:29:58.214077Z"
	whenPostedV2  = "2024-03-11T18:20:05Z"
	whenAskedNext = "2024-03-12T09:30:00Z"
)

var fourNodes = []string{"x1000c0s0b0n0", "x1000c0s0b0n1", "x1000c0s0b1n0", "x1000c0s0b1n1"}

func recordedSession(id, operation string, start, stop any) simbos.Session {
	return simbos.Session{
		ID: id, Template: "compute-csm", Operation: operation, Start: start, Stop: stop,
		BootSets: []simbos.BootSet{{Name: "compute", Nodes: fourNodes}},
	}
}

// prepare brings BOS into the state that an exchange begins with, as far as those before it have not.
func (p *bosPlay) prepare(e recording.Exchange) {
	if posted, ok := e.Response.Body.(map[string]any); ok && e.Request.Method == "POST" {
		id := strings.TrimPrefix(fmt.Sprint(posted["job"]), "boa-")
		if name, ok := posted["name"].(string); ok {
			id = name
		}
		p.BOS.SetNextIDs(id)
	}
	p.addOld(e)
	if prepare := bosStates[e.Case]; prepare != nil {
		prepare(p)
	}
}

var oldCase = regexp.MustCompile(`^old-(run-|del-)?([0-9.]+)`)

// addOld adds a session that an older BOS wrote, if the exchange is the first about it.
func (p *bosPlay) addOld(e recording.Exchange) {
	match := oldCase.FindStringSubmatch(e.Case)
	id := uuid.FindString(e.Request.Path)
	if match == nil || p.BOS.Has(id) {
		return
	}
	session := recordedSession(id, "reboot", oldStart, oldStop)
	session.Version = match[2]
	if match[1] == "run-" {
		session.Stop = nil
		session.BootSets[0].Progress = simbos.Progress{
			"shutdown": {"succeeded": fourNodes}, "boot": {"not_started": fourNodes}, "configure": {"not_started": fourNodes},
		}
	}
	p.BOS.Add(session)
}

// bosStates are what happened before a case, other than the requests before it.
var bosStates = map[string]func(p *bosPlay){
	"session-post": func(p *bosPlay) { p.setClock(whenPosted) },
	"session-post-job-refused": func(p *bosPlay) {
		p.BOS.SetLaunch(func(simbos.Job) error { return errors.New("exceeded quota") })
	},
	"boa-status-post-existing": func(p *bosPlay) {
		session := recordedSession(posted, "boot", "2024-02-02T00:00:00.500000Z", nil)
		session.BootSets = nil
		p.BOS.Add(session)
	},
	"boa-boot-set-post-bad-phase": func(p *bosPlay) {
		session := recordedSession(toDelete, "boot", "2024-02-03T00:00:00.500000Z", "2024-02-03 01:00:00.500000")
		session.BootSets = nil
		p.BOS.Add(session)
	},
	"session-status-delete": func(p *bosPlay) {
		session := recordedSession(noStatus, "configure", "2024-02-05T00:00:00.500000Z", nil)
		session.BootSets = nil
		p.BOS.Add(session)
	},
	"session-get-status-by-boa-without-boot-set": func(p *bosPlay) {
		session := recordedSession(madeByBOA, "reboot", "2024-02-11 03:00:20.500000", "2024-02-11 03:44:10.993001")
		session.Named = []string{"compute"}
		p.BOS.Add(session)
	},
	"session-get-status-by-boa-boot-set-missing": func(p *bosPlay) {
		session := recordedSession(withoutSet, "reboot", "2024-02-11 04:00:20.120045", nil)
		session.Named, session.BootSets = []string{"compute"}, nil
		p.BOS.Add(session)
	},
	"session-get-pre-1.0": func(p *bosPlay) {
		p.BOS.Add(simbos.Session{ID: before10, NoStatus: true, Attributes: map[string]string{
			"boa_finish": "2019-12-13 17:07:23.501674", "boa_job_name": "boa-" + before10, "boa_launch": "2019-12-13 17:02:24.111",
			"bos_launch": "2019-12-13 17:02:24", "computes": "boot_finished", "operation": "boot",
			"session_template_id": "cle-1.4.0", "stage": "Done",
		}})
	},
	"session-list":    (*bosPlay).addOfEveryKind,
	"v2-session-post": func(p *bosPlay) { p.setClock(whenPostedV2) },
	"v2-session-get-complete": func(p *bosPlay) {
		p.setClock(whenAskedNext)
		p.BOS.AddV2(simbos.V2Session{
			Name: v2Complete, Operation: "boot", Template: "compute-v2", Status: "complete", Nodes: fourNodes[:2],
			Start: "2024-03-01T06:00:00", End: "2024-03-01T06:31:40",
		})
	},
	"session-list-too-large":     (*bosPlay).addTooMany,
	"session-get-list-too-large": func(p *bosPlay) { p.BOS.Restart() },
	"v2-session-list-redis-down": func(p *bosPlay) { p.BOS.SetRedisDown(true) },
	"version-etcd-down": func(p *bosPlay) {
		p.clear()
		p.BOS.SetRedisDown(false)
		p.BOS.SetEtcdDown(true)
	},
	"connection-after-answer": func(p *bosPlay) { p.BOS.SetEtcdDown(false) },
}

func (p *bosPlay) addOfEveryKind() {
	running := recordedSession(runningID, "reboot", "2024-03-12T08:58:11.273645Z", nil)
	running.BootSets[0].Progress = simbos.Progress{
		"shutdown": {"succeeded": fourNodes}, "boot": {"succeeded": fourNodes[:1], "in_progress": fourNodes[1:]},
		"configure": {"not_started": fourNodes},
	}
	failed := recordedSession(failedID, "boot", "2024-03-06T10:15:44.100398Z", "2024-03-06 11:01:09.010203")
	failed.BootSets[0].Failed = 2
	failed.BootSets[0].Nodes = slices.Concat(fourNodes[2:], fourNodes[:2])
	broken := recordedSession(unreadable, "boot", oldStart, oldStop)
	broken.Broken = true
	for _, session := range []simbos.Session{
		running, failed, broken,
		recordedSession(finishedID, "reboot", "2024-03-05T14:02:11.352623Z", "2024-03-05 14:48:52.647779"),
		recordedSession(wholeSecond, "shutdown", "2024-03-04T07:00:00Z", "2024-03-04 07:12:00"),
		recordedSession(withTenant, "reboot", "2024-03-03T07:00:00.5Z", "2024-03-03 07:12:00.500000"),
	} {
		p.BOS.Add(session)
	}
}

// addTooMany replaces all sessions by more than a list can carry.
func (p *bosPlay) addTooMany() {
	p.clear()
	nodes := make([]string, 400)
	for i := range nodes {
		nodes[i] = fmt.Sprintf("x%dc0s0b0n0", 1000+i)
	}
	ids := []string{p.manyID}
	for i := range 200 {
		ids = append(ids, fmt.Sprintf("00000000-0000-4000-8000-%012d", i))
	}
	for _, id := range ids {
		session := recordedSession(id, "reboot", "2024-02-25T10:00:00.123456Z", "2024-02-25 10:42:42.424242")
		session.BootSets[0].Nodes = nodes
		p.BOS.Add(session)
	}
}
