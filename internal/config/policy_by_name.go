package config

import (
	"strconv"
	"strings"
)

// PolicyByName returns the settings that decide about objects, by the names of their variables and as a person writes
// them.
func (c Config) PolicyByName() map[string]string {
	return map[string]string{
		"BOSGC_SESSION_TTL":        c.SessionTTL.String(),
		"BOSGC_FAILED_TTL":         c.FailedTTL.String(),
		"BOSGC_ABANDONED_TTL":      c.AbandonedTTL.String(),
		"BOSGC_KEEP_LAST":          strconv.Itoa(c.KeepLast),
		"BOSGC_KEEP_LAST_FOR":      c.KeepLastFor.String(),
		"BOSGC_KEEP_TEMPLATES":     strings.Join(c.KeepTemplates, ","),
		"BOSGC_ORPHAN_GRACE":       c.OrphanGrace.String(),
		"BOSGC_ORPHAN_SIGHTINGS":   strconv.Itoa(c.OrphanSightings),
		"BOSGC_ORPHAN_INTERVAL":    c.OrphanInterval.String(),
		"BOSGC_MAX_ORPHAN_PERCENT": strconv.Itoa(c.MaxOrphanPercent),
		"BOSGC_CFS":                string(c.CFS),
		"BOSGC_CFS_TTL":            c.CFSTTL.String(),
		"BOSGC_CFS_LINK":           string(c.CFSLink),
	}
}
