package config

// meaning is what a person wants to know of a setting beyond its name and default.
type meaning struct {
	name    string
	text    string // what it does, in whole sentences
	counts  string // what a number counts
	example string // empty if the default is one
	where   string // which commands it matters to, and which page says more
}

// group is settings that belong together on a page.
type group struct {
	title    string
	settings []meaning
}

const (
	allCommands        = "every command that contacts the system"
	judgingCommands    = "plan, sweep, serve, explain"
	sweepingCommands   = "sweep, serve"
	journalingCommands = "sweep, serve, apply, clean"
)

// meanings is the one place where settings are explained: "bosgc config --explain", the manual page and
// docs/settings.md are made from it.
var meanings = []group{
	{"Where things are", []meaning{
		{
			name:    "BOSGC_BOS_URL",
			text:    "Where BOS is. /v1/session and so on is appended.",
			example: "https://api-gw-service-nmn.local/apis/bos",
			where:   allCommands + "; docs/install.md",
		},
		{
			name:    "BOSGC_CFS_URL",
			text:    "Where CFS is. /v2/... or /v3/... is appended, whichever it has.",
			example: "https://api-gw-service-nmn.local/apis/cfs",
			where:   allCommands + "; docs/install.md",
		},
		{
			name: "BOSGC_NAMESPACE",
			text: "Namespace where the Jobs and ConfigMaps of BOA live. --namespace sets it for one run. Outside " +
				"a Pod the lock, the state and the journal are there too, unless BOSGC_STATE_NAMESPACE says " +
				"otherwise.",
			where: allCommands,
		},
	}},
	{"Access through an API gateway", []meaning{
		{
			name: "BOSGC_TOKEN_URL",
			text: "OAuth2 token endpoint of an API gateway. Empty means that BOS and CFS are asked without a " +
				"token. It needs BOSGC_CLIENT_ID and a secret.",
			example: "https://api-gw-service-nmn.local/keycloak/realms/shasta/protocol/openid-connect/token",
			where:   allCommands + "; docs/install.md",
		},
		{
			name:    "BOSGC_CLIENT_ID",
			text:    "The client that asks for tokens.",
			example: "admin-client",
			where:   allCommands + "; docs/install.md",
		},
		{
			name: "BOSGC_CLIENT_SECRET",
			text: "That client's secret. Better is BOSGC_CLIENT_SECRET_FILE, because everybody who may read the " +
				"process reads its environment.",
			where: allCommands + "; docs/install.md",
		},
		{
			name:    "BOSGC_CLIENT_SECRET_FILE",
			text:    "A file with that client's secret and nothing else.",
			example: "/etc/bosgc/client-secret",
			where:   allCommands + "; docs/install.md",
		},
		{
			name: "BOSGC_CA_FILE",
			text: "A file with CA certificates (PEM) to trust besides those of the machine, for https to BOS, CFS " +
				"and the token endpoint.",
			example: "/etc/pki/trust/anchors/platform-ca-certs.crt",
			where:   allCommands + "; docs/install.md",
		},
	}},
	{"BOS's etcd", []meaning{
		{
			name: "BOSGC_BOS_ETCD_ENDPOINTS",
			text: "Addresses of BOS's own etcd. Its keys alone are read, and only when BOS cannot list its " +
				"sessions any more. Empty means that there is no such way out.",
			example: "https://cray-bos-etcd-client:2379",
			where:   judgingCommands + ", clean; docs/rescue.md",
		},
		{
			name:    "BOSGC_BOS_ETCD_CA_FILE",
			text:    "A file with the CA certificate of that etcd.",
			example: "/etc/bosgc/etcd/ca.crt",
			where:   judgingCommands + ", clean; docs/rescue.md",
		},
		{
			name:    "BOSGC_BOS_ETCD_CERT_FILE",
			text:    "A file with the client certificate for that etcd. It needs BOSGC_BOS_ETCD_KEY_FILE.",
			example: "/etc/bosgc/etcd/tls.crt",
			where:   judgingCommands + ", clean; docs/rescue.md",
		},
		{
			name:    "BOSGC_BOS_ETCD_KEY_FILE",
			text:    "A file with that certificate's key.",
			example: "/etc/bosgc/etcd/tls.key",
			where:   judgingCommands + ", clean; docs/rescue.md",
		},
		{
			name:    "BOSGC_BOS_ETCD_USER",
			text:    "User of that etcd. It needs BOSGC_BOS_ETCD_PASSWORD_FILE.",
			example: "root",
			where:   judgingCommands + ", clean; docs/rescue.md",
		},
		{
			name:    "BOSGC_BOS_ETCD_PASSWORD_FILE",
			text:    "A file with that user's password and nothing else.",
			example: "/etc/bosgc/etcd/password",
			where:   judgingCommands + ", clean; docs/rescue.md",
		},
	}},
	{"What is kept, and how long", []meaning{
		{
			name:    "BOSGC_SESSION_TTL",
			text:    "A finished session is kept this long after it finished.",
			example: "30d",
			where:   judgingCommands + "; docs/policy.md",
		},
		{
			name:    "BOSGC_FAILED_TTL",
			text:    "The same for a session whose Job failed.",
			example: "60d",
			where:   judgingCommands + "; docs/policy.md",
		},
		{
			name:    "BOSGC_ABANDONED_TTL",
			text:    "A session with no recorded end and nothing running is kept this long after it started.",
			example: "30d",
			where:   judgingCommands + "; docs/policy.md",
		},
		{
			name: "BOSGC_KEEP_LAST",
			text: "That many of the newest finished boot or reboot sessions of each session template that BOS still has are " +
				"kept, for as long as BOSGC_KEEP_LAST_FOR says. While BOS's list is too large to be asked for, none is.",
			counts:  "sessions",
			example: "3",
			where:   judgingCommands + "; docs/policy.md",
		},
		{
			name:    "BOSGC_KEEP_LAST_FOR",
			text:    "The newest session of a template is kept no longer than this after its end. 0s: for ever.",
			example: "30d",
			where:   judgingCommands + "; docs/policy.md",
		},
		{
			name: "BOSGC_KEEP_TEMPLATES",
			text: "Sessions of templates with these names are kept, and orphaned ConfigMaps that name them. A pattern that matches " +
				"nothing is named in the plan.",
			example: "golden-*,acceptance",
			where:   judgingCommands + "; docs/policy.md",
		},
		{
			name:    "BOSGC_ORPHAN_GRACE",
			text:    "An orphan (what seems to belong to no session) that is younger than this is kept.",
			example: "3d",
			where:   judgingCommands + "; docs/policy.md",
		},
		{
			name:    "BOSGC_ORPHAN_SIGHTINGS",
			text:    "An orphan goes once that many sweeps have seen it as one.",
			counts:  "sweeps",
			example: "3",
			where:   judgingCommands + "; docs/policy.md",
		},
		{
			name:    "BOSGC_ORPHAN_INTERVAL",
			text:    "Two such sweeps count if they are at least this far apart. 0s: each sweep counts, for trying things out.",
			example: "2h",
			where:   judgingCommands + "; docs/policy.md",
		},
	}},
	{"CFS sessions", []meaning{
		{
			name: "BOSGC_CFS",
			text: "Which CFS sessions go. off: none. linked: complete ones that are linked to a session that goes " +
				"or has gone. old: those, and any complete one made by the batcher that is older than BOSGC_CFS_TTL " +
				"and whose session is not alive.",
			example: "linked",
			where:   judgingCommands + "; docs/policy.md",
		},
		{
			name: "BOSGC_CFS_TTL",
			text: "A complete CFS session of the batcher is kept this long if its session is gone or, with BOSGC_CFS=old, if it " +
				"names none.",
			example: "30d",
			where:   judgingCommands + "; docs/policy.md",
		},
		{
			name: "BOSGC_CFS_LINK",
			text: "What links a CFS session to a session. exact: the tag alone. inferred: strong inferred links " +
				"are acted on too.",
			example: "inferred",
			where:   judgingCommands + ", clean; docs/policy.md",
		},
	}},
	{"Limits of a sweep", []meaning{
		{
			name: "BOSGC_MAX_DELETES",
			text: "At most that many objects are deleted in one sweep, those of the oldest sessions first; the " +
				"rest waits for the next. --max-deletes sets it for one run.",
			counts:  "objects",
			example: "200",
			where:   sweepingCommands + ", apply",
		},
		{
			name: "BOSGC_MAX_ORPHAN_PERCENT",
			text: "If more than this share of all objects of a kind looks orphaned, no orphan of that kind is " +
				"deleted, and the exit code is 4: then rather a source is wrong than so many objects are.",
			counts:  "per cent",
			example: "20",
			where:   judgingCommands + "; docs/policy.md",
		},
		{
			name:    "BOSGC_DRY_RUN",
			text:    "Nothing is deleted or put back: a sweep only shows what it would do.",
			example: "true",
			where:   sweepingCommands + ", clean, restore",
		},
		{
			name:  "BOSGC_BATCHER",
			text:  "The Deployment of the batcher of CFS, which \"bosgc clean --cancel\" restarts.",
			where: "clean, sweep, serve; docs/clean.md",
		},
	}},
	{"Requests and times", []meaning{
		{
			name:    "BOSGC_BOS_CONCURRENCY",
			text:    "Requests to BOS under way at once. BOS has few workers, and others need them too.",
			counts:  "requests",
			example: "1",
			where:   allCommands,
		},
		{
			name:    "BOSGC_CFS_CONCURRENCY",
			text:    "Requests to CFS under way at once.",
			counts:  "requests",
			example: "2",
			where:   allCommands,
		},
		{
			name:    "BOSGC_KUBE_CONCURRENCY",
			text:    "Requests to Kubernetes under way at once.",
			counts:  "requests",
			example: "4",
			where:   allCommands,
		},
		{
			name:    "BOSGC_REQUEST_TIMEOUT",
			text:    "One request may take this long, with its repetitions.",
			example: "1m",
			where:   allCommands,
		},
		{
			name: "BOSGC_LIST_TIMEOUT",
			text: "One list may take this long, with all its pages. What depends on a list that took longer is " +
				"left alone.",
			example: "3m",
			where:   allCommands,
		},
		{
			name:    "BOSGC_DEADLINE",
			text:    "A whole run may take this long. What is left then waits for the next.",
			example: "30m",
			where:   allCommands,
		},
		{
			name:    "BOSGC_INTERVAL",
			text:    "Time between two sweeps.",
			example: "30m",
			where:   "serve",
		},
	}},
	{"Metrics", []meaning{
		{
			name:    "BOSGC_METRICS_ADDR",
			text:    "Where /metrics is served: an address and a port, or a port of all addresses.",
			example: "127.0.0.1:9090",
			where:   "serve, exporter, and a sweep that lingers; docs/metrics.md",
		},
		{
			name:    "BOSGC_METRICS_LINGER",
			text:    "After a sweep metrics are served until they were read once, at most this long. 0s does not wait.",
			example: "2m",
			where:   "sweep, apply; docs/metrics.md",
		},
		{
			name: "BOSGC_PUSH_URL",
			text: "A Pushgateway, or VictoriaMetrics' import endpoint for the same format, to which metrics are " +
				"sent after a sweep.",
			example: "http://pushgateway:9091",
			where:   "sweep, serve, apply; docs/metrics.md",
		},
		{
			name:    "BOSGC_TEXTFILE",
			text:    "A file for the textfile collector of node_exporter, written after a sweep.",
			example: "/var/lib/node_exporter/bosgc.prom",
			where:   "sweep, serve, apply; docs/metrics.md",
		},
	}},
	{"Lock, state and journal", []meaning{
		{
			name: "BOSGC_STATE_NAMESPACE",
			text: "Namespace of the lock, the state and the journal. Empty is that of the Pod, and outside a Pod " +
				"BOSGC_NAMESPACE. Whoever runs bosgc by hand must set it to where the CronJob has them, or the lock " +
				"keeps nobody out.",
			example: "bosgc",
			where:   journalingCommands + ", restore, exporter; docs/install.md",
		},
		{
			name:  "BOSGC_STATE_NAME",
			text:  "What the names of lock, state and journal begin with.",
			where: journalingCommands + ", restore, exporter",
		},
		{
			name:    "BOSGC_CRONJOB",
			text:    "A CronJob on which a sweep notes as an Event what it did. Empty notes nothing.",
			example: "bosgc",
			where:   "sweep",
		},
		{
			name:    "BOSGC_JOURNAL_DIR",
			text:    "A folder to which the journal is also written, as JSON lines.",
			example: "/var/log/bosgc",
			where:   journalingCommands,
		},
		{
			name:    "BOSGC_JOURNAL_RUNS",
			text:    "That many runs are kept in the journal.",
			counts:  "runs",
			example: "50",
			where:   journalingCommands,
		},
	}},
	{"Running in a Pod, and logging", []meaning{
		{
			name: "BOSGC_MESH_QUIT_URL",
			text: "Asked once at the end, so that a mesh proxy ends and the Job can. That it cannot be reached is " +
				"logged, and no failure.",
			example: "http://localhost:15020/quitquitquit",
			where:   allCommands,
		},
		{
			name:    "BOSGC_LOG_LEVEL",
			text:    "How much is logged. On a terminal it is warn unless it is set.",
			example: "debug",
			where:   allCommands,
		},
		{
			name:    "BOSGC_LOG_FORMAT",
			text:    "What the log is written as. Empty is text on a terminal, and json elsewhere.",
			example: "text",
			where:   allCommands,
		},
	}},
}
