package doctor

import (
	"context"

	"bosgc/internal/inventory"
)

// way says how a service is reached.
func (d Doctor) way(address string) string {
	if d.Settings.TokenURL != "" {
		return address + ", with a token of " + d.Settings.TokenURL
	}
	return address + ", without a token"
}

func (d Doctor) checkBOS(ctx context.Context) []Check {
	way := d.way(d.Settings.BOSURL)
	v1, err := d.BOS.V1(ctx)
	switch {
	case err != nil:
		return []Check{failure("BOS", "check BOSGC_BOS_URL, BOSGC_TOKEN_URL and BOSGC_CA_FILE", "not reached at %s: %s", way, err.Error())}
	case v1 == inventory.Absent:
		return []Check{passed("BOS", "reached at %s; it has no v1 API, so only what v1 has left is collected", way)}
	}
	if err := d.BOS.CheckHealth(ctx); err != nil {
		return []Check{failure("BOS", "restore BOS first: docs/rescue.md", "reached at %s, but not well: %s", way, err.Error())}
	}
	return []Check{passed("BOS", "reached at %s, and well", way)}
}

func (d Doctor) checkCFS(ctx context.Context) []Check {
	way := d.way(d.Settings.CFSURL)
	api, err := d.CFS.API(ctx)
	if err != nil {
		return []Check{failure("CFS", "check BOSGC_CFS_URL, BOSGC_TOKEN_URL and BOSGC_CA_FILE", "not reached at %s: %s", way, err.Error())}
	}
	if api.SessionTTL == "" {
		return []Check{passed("CFS", "reached at %s, API %s; it deletes no sessions by itself", way, api.Version)}
	}
	return []Check{passed("CFS", "reached at %s, API %s; it deletes its finished sessions after %s itself", way, api.Version, api.SessionTTL)}
}

func (d Doctor) checkEtcd(ctx context.Context) []Check {
	if d.Etcd == nil {
		return nil
	}
	keys, err := d.Etcd.Read(ctx)
	if err != nil {
		return []Check{failure("BOS's etcd", "check the settings BOSGC_BOS_ETCD_...", "cannot be read: %s", err.Error())}
	}
	return []Check{passed("BOS's etcd", "readable, has %d sessions", len(keys.Sessions))}
}
