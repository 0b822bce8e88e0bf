// Package margin holds every duration that safety depends on, side by side, each with the accident that it
// prevents. The inequalities between them are a test.
package margin

import "time"

// The lease that every command holds which deletes.
const (
	// LeaseDuration is how long a holder that does not renew is believed to be alive.
	LeaseDuration = 30 * time.Second
	// RenewInterval leaves time for several tries before the lease is lost.
	RenewInterval = 5 * time.Second
	// RenewTimeout bounds one renewal, so that one that hangs is not the last.
	RenewTimeout = 10 * time.Second
	// LoseAfter is after how long without a renewal a holder gives up by itself: early enough that its
	// requests under way have ended before another holder may begin.
	LoseAfter = 20 * time.Second
	// StopGrace is the time that requests under way get when a run is told to stop or has lost its lease.
	// Cut off earlier, nobody would know whether a delete was carried out.
	StopGrace = LeaseDuration - LoseAfter
	// HolderWatch is how long a lease that somebody holds is watched. A holder that is alive renews within
	// that time. The time written in the lease proves nothing: it comes from the holder's clock, and a clock
	// that is wrong must not make a living holder look dead.
	HolderWatch = LeaseDuration + RenewInterval
	// LongExpired is how long ago a lease with a longer duration than ours must have expired, by both
	// clocks, before it is taken over: its holder promised to renew less often than we watch.
	LongExpired = 5 * time.Minute
)

// From the plan to the delete.
const (
	// PlanLife is how long a plan may wait before it is carried out. Each object is checked again then; the
	// limit keeps a forgotten file from surprising somebody next month.
	PlanLife = 24 * time.Hour
	// WatchLife is after how long the API server is to end a watch of Jobs, Pods and CronJobs, which then goes on
	// where it was. They show what no question by name can: a Pod, or a copy of a Job, that a person has started since
	// for an old session.
	WatchLife = 50 * time.Second
	// WatchOverdue is how much longer it may last. A connection that has died silently looks like a namespace in
	// which nothing happens; by both together the view of the namespace can be too old.
	WatchOverdue = 10 * time.Second
	// WatchSettle is how long a watch that begins has to be silent before its view counts: what has changed since
	// the list that it goes on from comes first, and at once.
	WatchSettle = 100 * time.Millisecond
	// WatchCatchUp bounds that, in a namespace in which something changes all the time.
	WatchCatchUp = 3 * time.Second
	// WatchPatience is how long deletes wait for a watch that is lost. Then they are left to the next sweep.
	WatchPatience = 5 * time.Second
	// RecordLife is how old BOS's record of a session may be when something of it is deleted.
	RecordLife = 5 * time.Second
	// RecheckLife is how old an answer about a session's Jobs, ConfigMaps and CFS sessions may be. By this
	// much an annotation can come too late for what goes before the object that bears it; that object
	// itself is deleted in no other version than was read.
	RecheckLife = 500 * time.Millisecond
	// TraceLife is the age below which a session of BOS must have left something in Kubernetes: BOS never deletes
	// a ConfigMap. Where no session has, one that is younger shows that this is not its namespace.
	TraceLife = 7 * 24 * time.Hour
	// UntracedAge is how long ago a session must have ended, where Kubernetes names no session at all. Nothing
	// shows then that its Job would be seen if it still ran. BOA gives each of its five tries some hours at most.
	UntracedAge = 30 * 24 * time.Hour
	// MaxClockSkew is how far two clocks may differ before no age counts: this machine's and the API
	// server's, before and after reading, or at the time when a saved plan was made. chrony keeps the servers
	// of a CSM system together to milliseconds, and CFS rounds to seconds; beyond a minute one of the two
	// clocks is wrong, and nobody knows which.
	MaxClockSkew = time.Minute
	// JustMade is the age under which an object is no evidence against anything: BOS creates a ConfigMap,
	// the Job and its record one after the other, and a POST can hang for minutes in between.
	JustMade = time.Hour
)

// What BOS and the batcher may still do.
const (
	// ListPatience is how long BOS's list may take without counting as one that hangs: a list of 4 MiB takes
	// less than a second.
	ListPatience = 5 * time.Second
	// ListHangs is the age from which a list whose connection breaks counts as one that hung. Late releases of
	// BOS end a worker that hangs after 30 seconds. A BOS that is being restarted, or a proxy without a BOS
	// behind it, breaks the connection at once.
	ListHangs = 10 * time.Second
	// HangMemory is how long a list that hung is believed to hang again. Each such request costs BOS a worker.
	HangMemory = 24 * time.Hour
	// StagingDelay is how long after its start a session has set its configuration, unless it never does: BOA
	// does it first of all, and starts in a Pod of its own.
	StagingDelay = 5 * time.Minute
	// CFSStartDelay is how long after the end of a session the batcher may still start a CFS session for it.
	// BOA waits 1800 s for the nodes to be configured and then gives up; a node that comes up later is still
	// configured. The batcher looks every 10 s and collects for 60 s (docs/csm.md, "The batcher").
	CFSStartDelay = 1800*time.Second + 60*time.Second + 10*time.Second
	// BatcherSlack is added to the time in which the batcher may still start what it had collected, for the
	// difference between its clock and ours.
	BatcherSlack = 2 * time.Second
	// PodsEnd bounds the wait for the Pods of a Job that was stopped, or of the batcher, to end or to become
	// ready: Kubernetes gives each 30 seconds, the batcher uses all of them, and a kubelet, a node or a
	// registry may be slow.
	PodsEnd = 5 * time.Minute
	// PodHangs is how long after the end of its grace period a Pod that was deleted is said to hang: its node
	// does not answer, and Kubernetes waits for it for ever.
	PodHangs = 2 * time.Minute
	// BatcherScaleUp bounds the attempts to scale the batcher up again, also after a run was told to stop:
	// while it is down, no node of the machine is configured.
	BatcherScaleUp = 20 * time.Second
	// ProcedureLife is how long a sweep continues what "bosgc clean" has begun with a session and not ended. After
	// that a person has to name the session again: nobody remembers what was asked for, and much may have changed.
	ProcedureLife = 30 * 24 * time.Hour
	// LoginRefusal is how long a refused login is not tried again. A sweep asks for thousands of objects, and
	// as many failed logins lock the account that other tools use too.
	LoginRefusal = time.Minute
)

// The end of a run. They follow StopGrace one after the other and fit into what Kubernetes gives a Pod.
const (
	// StateTimeout bounds reading or writing the state.
	StateTimeout = 10 * time.Second
	// ReportTimeout bounds metrics, Events and the release of the lease.
	ReportTimeout = 5 * time.Second
	// PodTermination is the default terminationGracePeriodSeconds of Kubernetes.
	PodTermination = 30 * time.Second
)
