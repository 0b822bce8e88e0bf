package config

import (
	"net"
	"net/url"
)

// PlainCredentials returns the settings by which a credential is sent unencrypted to another machine, where whoever
// sees the traffic can take it.
func (c Config) PlainCredentials() []string {
	var settings []string
	add := func(name string, addresses ...string) {
		for _, address := range addresses {
			if plain(address) {
				settings = append(settings, name)
				return
			}
		}
	}
	if c.TokenURL != "" {
		add("BOSGC_TOKEN_URL", c.TokenURL) // the client's secret
		add("BOSGC_BOS_URL", c.BOSURL)     // the token
		add("BOSGC_CFS_URL", c.CFSURL)
	}
	if c.EtcdUser != "" {
		add("BOSGC_BOS_ETCD_ENDPOINTS", c.EtcdEndpoints...)
	}
	if u, err := url.Parse(c.PushURL); err == nil && u.User != nil {
		add("BOSGC_PUSH_URL", c.PushURL)
	}
	return settings
}

// plain reports whether what is sent to an address leaves this machine unencrypted.
func plain(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
}
