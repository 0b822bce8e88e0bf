package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bosgc/internal/lab/simcfs"
)

// Profile is a release of CSM: the versions of its systems, and so their quirks (docs/csm.md, "Releases").
type Profile struct {
	CSM            string
	Kubernetes     string // version of the API server
	CronJobV1      bool   // CronJob is in batch/v1
	Suspend        bool   // Jobs can be suspended
	BOS            string // version of the BOS service
	BOSv1          bool
	BOSv2          bool
	TemplateKey    string // name of the template in a session record
	HonestComplete bool   // BOS's complete follows stop_time; otherwise it is always false
	Created201     bool   // boot set status answers 201
	RefuseTenants  bool   // BOS v1 refuses requests with a tenant header
	BOSWorkers     int
	BOSWorkerLife  time.Duration // after which a stuck worker is killed; 0: never
	CFSv3          bool
	BatcherCrashes bool // a batcher that cannot rebuild is dead; otherwise it tries for ever
	JobTTL         bool // Kyverno removes Jobs three days after they finished
	LegacyIDs      bool // sessions from before UUIDs may still be listed
}

var profiles = []Profile{
	{
		CSM: "1.0", Kubernetes: "1.19.9", BOS: "1.7.109", BOSv1: true, TemplateKey: "templateUuid",
		Created201: true, BOSWorkers: 1, BOSWorkerLife: 5 * time.Minute, LegacyIDs: true,
		BatcherCrashes: true,
	},
	{
		CSM: "1.2", Kubernetes: "1.20.13", BOS: "1.10.23", BOSv1: true, TemplateKey: "templateName",
		BOSWorkers: 128, LegacyIDs: true, BatcherCrashes: true,
	},
	{
		CSM: "1.3.1", Kubernetes: "1.21.12", CronJobV1: true, Suspend: true, BOS: "2.0.7", BOSv1: true, BOSv2: true,
		TemplateKey: "templateName", BOSWorkers: 128, LegacyIDs: true, BatcherCrashes: true,
	},
	{
		CSM: "1.4", Kubernetes: "1.21.12", CronJobV1: true, Suspend: true, BOS: "2.0.47", BOSv1: true, BOSv2: true,
		TemplateKey: "templateName", HonestComplete: true, BOSWorkers: 128, BOSWorkerLife: 30 * time.Second,
		JobTTL: true,
	},
	{
		CSM: "1.5", Kubernetes: "1.22.13", CronJobV1: true, Suspend: true, BOS: "2.10.13", BOSv1: true, BOSv2: true,
		TemplateKey: "templateName", HonestComplete: true, RefuseTenants: true, BOSWorkers: 128,
		CFSv3: true, JobTTL: true,
	},
	{
		CSM: "1.6", Kubernetes: "1.24.17", CronJobV1: true, Suspend: true, BOS: "2.30.5", BOSv2: true, BOSWorkers: 128,
		CFSv3: true, JobTTL: true,
	},
}

// Profiles returns the names of the releases, oldest first.
func Profiles() []string {
	var names []string
	for _, p := range profiles {
		names = append(names, p.CSM)
	}
	return names
}

func profileOf(csm string) (Profile, error) {
	name := strings.TrimPrefix(csm, "csm-")
	i := slices.IndexFunc(profiles, func(p Profile) bool { return p.CSM == name })
	if i < 0 {
		return Profile{}, fmt.Errorf("unknown CSM release %q: expected one of %s", csm, strings.Join(Profiles(), ", "))
	}
	return profiles[i], nil
}

// cfsVersions holds the version of the CFS API in each release.
var cfsVersions = map[string]string{
	"1.0": "1.6.35", "1.2": "1.10.3", "1.3.1": "1.11.2", "1.4": "1.12.9", "1.5": "1.18.6", "1.6": "1.20.2",
}

// cfs returns the options of the release's CFS.
func (p Profile) cfs(pageSize int, batcher simcfs.BatcherOptions) simcfs.Options {
	return simcfs.Options{
		Version: cfsVersions[p.CSM], PageSize: pageSize, RebuildCrashes: p.BatcherCrashes, Batcher: batcher,
	}
}
