package config

// meaning is what a person wants to know of a setting beyond its name and default.
type meaning struct {
	name    string
	text    string // what it does, in whole sentences
	of      string // what a number counts
	example string // empty if the default is one
	where   string // which commands it matters to, and which page says more
}

// group is settings that belong together on a page.
type group struct {
	title    string
	settings []meaning
}

const (
	allCommands = "every command that contacts the system"
	judging     = "plan, sweep, serve, explain"
	carrying    = "sweep, serve"
	recording   = "sweep, serve, apply, clean"
)

// meanings is the one place where the settings are explained: "bosgc config --explain" and docs/settings.md
// are made from it.
var meanings = []group{
	{"Where things are", []meaning{
		{"BOSGC_BOS_URL", "Where BOS is. /v1/session and so on is appended.", "", "https://api-gw-service-nmn.local/apis/bos", allCommands + "; docs/install.md"},
		{"BOSGC_CFS_URL", "Where CFS is. /v2/... or /v3/... is appended, whichever it has.", "", "https://api-gw-service-nmn.local/apis/cfs", allCommands + "; docs/install.md"},
		{"BOSGC_NAMESPACE", "Namespace where the Jobs and ConfigMaps of BOA live. --namespace sets it for one run. Outside a Pod the lock, the state and the journal are there too, unless BOSGC_STATE_NAMESPACE says otherwise.", "", "", allCommands},
	}},
	{"Access through an API gateway", []meaning{
		{"BOSGC_TOKEN_URL", "OAuth2 token endpoint of an API gateway. Empty means that BOS and CFS are asked without a token. It needs BOSGC_CLIENT_ID and a secret.", "", "https://api-gw-service-nmn.local/keycloak/realms/shasta/protocol/openid-connect/token", allCommands + "; docs/install.md"},
		{"BOSGC_CLIENT_ID", "The client that asks for tokens.", "", "admin-client", allCommands + "; docs/install.md"},
		{"BOSGC_CLIENT_SECRET", "That client's secret. Better is BOSGC_CLIENT_SECRET_FILE, because everybody who may read the process reads its environment.", "", "", allCommands + "; docs/install.md"},
		{"BOSGC_CLIENT_SECRET_FILE", "A file with that client's secret and nothing else.", "", "/etc/bosgc/client-secret", allCommands + "; docs/install.md"},
		{"BOSGC_CA_FILE", "A file with CA certificates (PEM) to trust besides those of the machine, for https to BOS, CFS and the token endpoint.", "", "/etc/pki/trust/anchors/platform-ca-certs.crt", allCommands + "; docs/install.md"},
	}},
	{"BOS's etcd", []meaning{
		{"BOSGC_BOS_ETCD_ENDPOINTS", "Addresses of BOS's own etcd. Its keys alone are read, and only when BOS cannot list its sessions any more. Empty means that there is no such way out.", "", "https://cray-bos-etcd-client:2379", judging + ", clean; docs/rescue.md"},
		{"BOSGC_BOS_ETCD_CA_FILE", "A file with the CA certificate of that etcd.", "", "/etc/bosgc/etcd/ca.crt", judging + ", clean; docs/rescue.md"},
		{"BOSGC_BOS_ETCD_CERT_FILE", "A file with the client certificate for that etcd. It needs BOSGC_BOS_ETCD_KEY_FILE.", "", "/etc/bosgc/etcd/tls.crt", judging + ", clean; docs/rescue.md"},
		{"BOSGC_BOS_ETCD_KEY_FILE", "A file with that certificate's key.", "", "/etc/bosgc/etcd/tls.key", judging + ", clean; docs/rescue.md"},
		{"BOSGC_BOS_ETCD_USER", "User of that etcd. It needs BOSGC_BOS_ETCD_PASSWORD_FILE.", "", "root", judging + ", clean; docs/rescue.md"},
		{"BOSGC_BOS_ETCD_PASSWORD_FILE", "A file with that user's password and nothing else.", "", "/etc/bosgc/etcd/password", judging + ", clean; docs/rescue.md"},
	}},
	{"What is kept, and how long", []meaning{
		{"BOSGC_SESSION_TTL", "A finished session is kept this long after it finished.", "", "30d", judging + "; docs/policy.md"},
		{"BOSGC_FAILED_TTL", "The same for a session whose Job failed.", "", "60d", judging + "; docs/policy.md"},
		{"BOSGC_ABANDONED_TTL", "A session with no recorded end and nothing running is kept this long after it started.", "", "30d", judging + "; docs/policy.md"},
		{"BOSGC_KEEP_LAST", "That many of the newest finished sessions of each session template are kept, whatever their age.", "sessions", "3", judging + "; docs/policy.md"},
		{"BOSGC_KEEP_TEMPLATES", "Sessions of templates with these names are kept.", "", "golden-*,acceptance", judging + "; docs/policy.md"},
		{"BOSGC_ORPHAN_GRACE", "An orphan (what seems to belong to no session) that is younger than this is kept.", "", "3d", judging + "; docs/policy.md"},
		{"BOSGC_ORPHAN_SIGHTINGS", "An orphan goes once that many sweeps have seen it as one.", "sweeps", "3", judging + "; docs/policy.md"},
	}},
	{"CFS sessions", []meaning{
		{"BOSGC_CFS", "Which CFS sessions go. off: none. linked: complete ones that are linked to a session that goes or has gone. old: those, and any complete one made by the batcher that is older than BOSGC_CFS_TTL and whose session is not alive.", "", "linked", judging + "; docs/policy.md"},
		{"BOSGC_CFS_TTL", "With BOSGC_CFS=old, a complete CFS session of the batcher is kept this long.", "", "30d", judging + "; docs/policy.md"},
		{"BOSGC_CFS_LINK", "What links a CFS session to a session. exact: the tag alone. inferred: strong inferred links are acted on too.", "", "inferred", judging + ", clean; docs/policy.md"},
	}},
	{"Limits of a sweep", []meaning{
		{"BOSGC_MAX_DELETES", "At most that many objects are deleted in one sweep, those of the oldest sessions first; the rest waits for the next. --max-deletes sets it for one run.", "objects", "200", carrying + ", apply"},
		{"BOSGC_MAX_ORPHAN_PERCENT", "If more than this share of all objects of a kind looks orphaned, no orphan of that kind is deleted, and the exit code is 4: then rather a source is wrong than so many objects are.", "per cent", "20", judging + "; docs/policy.md"},
		{"BOSGC_DRY_RUN", "Nothing is deleted or put back: a sweep only shows what it would do.", "", "true", carrying + ", clean, restore"},
		{"BOSGC_BATCHER", "The Deployment of the batcher of CFS, which \"bosgc clean --cancel\" restarts.", "", "", "clean, sweep, serve; docs/clean.md"},
	}},
	{"Requests and times", []meaning{
		{"BOSGC_BOS_CONCURRENCY", "Requests to BOS under way at once. BOS has few workers, and others need them too.", "requests", "1", allCommands},
		{"BOSGC_CFS_CONCURRENCY", "Requests to CFS under way at once.", "requests", "2", allCommands},
		{"BOSGC_KUBE_CONCURRENCY", "Requests to Kubernetes under way at once.", "requests", "4", allCommands},
		{"BOSGC_REQUEST_TIMEOUT", "One request may take this long, with its repetitions.", "", "1m", allCommands},
		{"BOSGC_LIST_TIMEOUT", "One list may take this long, with all its pages. What depends on a list that took longer is left alone.", "", "3m", allCommands},
		{"BOSGC_DEADLINE", "A whole run may take this long. What is left then waits for the next.", "", "30m", allCommands},
		{"BOSGC_INTERVAL", "Time between two sweeps.", "", "30m", "serve"},
	}},
	{"Metrics", []meaning{
		{"BOSGC_METRICS_ADDR", "Where /metrics is served: an address and a port, or a port of all addresses.", "", "127.0.0.1:9090", "serve, exporter, and a sweep that lingers; docs/metrics.md"},
		{"BOSGC_METRICS_LINGER", "After a sweep metrics are served until they were read once, at most this long. 0s does not wait.", "", "2m", "sweep, apply; docs/metrics.md"},
		{"BOSGC_PUSH_URL", "A Pushgateway, or VictoriaMetrics' import endpoint for the same format, to which metrics are sent after a sweep.", "", "http://pushgateway:9091", "sweep, serve, apply; docs/metrics.md"},
		{"BOSGC_TEXTFILE", "A file for the textfile collector of node_exporter, written after a sweep.", "", "/var/lib/node_exporter/bosgc.prom", "sweep, serve, apply; docs/metrics.md"},
	}},
	{"Lock, state and journal", []meaning{
		{"BOSGC_STATE_NAMESPACE", "Namespace of the lock, the state and the journal. Empty is that of the Pod, and outside a Pod BOSGC_NAMESPACE. Whoever runs bosgc by hand must set it to where the CronJob has them, or the lock keeps nobody out.", "", "bosgc", recording + ", restore, exporter; docs/install.md"},
		{"BOSGC_STATE_NAME", "What the names of lock, state and journal begin with.", "", "", recording + ", restore, exporter"},
		{"BOSGC_CRONJOB", "A CronJob on which a sweep notes as an Event what it did. Empty notes nothing.", "", "bosgc", "sweep"},
		{"BOSGC_JOURNAL_DIR", "A folder to which the journal is also written, as JSON lines.", "", "/var/log/bosgc", recording},
		{"BOSGC_JOURNAL_RUNS", "That many runs are kept in the journal.", "runs", "50", recording},
	}},
	{"Running in a Pod, and logging", []meaning{
		{"BOSGC_MESH_QUIT_URL", "Asked once at the end, so that a mesh proxy ends and the Job can. That it cannot be reached is logged, and no failure.", "", "http://localhost:15020/quitquitquit", allCommands},
		{"BOSGC_LOG_LEVEL", "How much is logged.", "", "debug", allCommands},
		{"BOSGC_LOG_FORMAT", "What the log is written as. Empty is text on a terminal, and json elsewhere.", "", "text", allCommands},
	}},
}
