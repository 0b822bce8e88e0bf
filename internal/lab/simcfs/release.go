package simcfs

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// release holds the ways in which one version of the CFS API differs from another.
type release struct {
	v1            bool // serves /sessions and /options
	v3            bool // serves v3, sorts lists and cuts them into pages
	versionRoutes bool // serves its version at /, /versions, /v2 and /v3
	urlLimit      int  // longest path and query, in bytes; a longer one closes the connection

	passthrough    bool   // a session has ansible.passthrough
	imageMap       string // key of the image map in a session's target; empty: none
	defaultTarget  bool   // a session may be posted without a target
	checksStatus   bool   // a list with an unknown status is a 400
	checksAge      bool   // an age that makes no sense is a 400
	ignoresBadTags bool   // a bulk DELETE with malformed tags is a 204 and deletes nothing

	filterPatch   bool   // accepts a patch with filters
	filterConfig  string // name of the configuration in the filters of a v2 patch
	tagsStick     bool   // a patch that removes a tag is a 500, and changes nothing
	layerStatus   bool   // v2 shows the name and status of a desired layer
	loggingLevel  bool   // has the options loggingLevel, batcherDisable and batcherPendingTimeout
	snakeHealth   bool   // /healthz answers with db_status instead of dbStatus
	notFound      string // end of the title of a 404
	configMissing string // title of a 404 for a configuration
}

func releaseOf(version string) release {
	var minor int
	if _, err := fmt.Sscanf(version, "1.%d", &minor); err != nil {
		panic(fmt.Sprintf("simcfs: version %q of CFS", version))
	}
	r := release{
		v1: minor < 10, v3: minor >= 18, versionRoutes: minor >= 12, urlLimit: 4096,
		passthrough: minor >= 10, defaultTarget: minor >= 18,
		checksStatus: minor >= 12, checksAge: minor >= 20, ignoresBadTags: minor < 10,
		filterPatch: minor >= 12, filterConfig: "configName", tagsStick: minor < 11,
		layerStatus: minor < 18, loggingLevel: minor >= 12, snakeHealth: minor >= 18,
		notFound: "could not found.", configMissing: "Configuration could not found.",
	}
	if minor >= 12 {
		r.urlLimit, r.imageMap, r.configMissing = 16384, "imageMap", "Configuration not found"
	}
	if minor >= 18 {
		r.imageMap, r.filterConfig, r.notFound = "image_map", "config_name", "not found."
	}
	return r
}

// sort sorts the keys of records into the order of a list. Without v3 that is the order of redis, which follows from a
// hash of the key.
func (r release) sort(keys []string) []string {
	slices.Sort(keys)
	if r.v3 {
		return keys
	}
	hash := func(key string) uint64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(key))
		return h.Sum64()
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(hash(a), hash(b)), strings.Compare(a, b))
	})
	return keys
}
