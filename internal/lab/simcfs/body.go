package simcfs

// sessionBody is a session on the wire. It is a struct because maps are too slow for lists of hundreds of thousands.
type sessionBody struct {
	Name          string            `json:"name"`
	Configuration configurationBody `json:"configuration"`
	Ansible       ansibleBody       `json:"ansible"`
	Target        targetBody        `json:"target"`
	Status        statusBody        `json:"status"`
	Tags          map[string]string `json:"tags"`
	Debug         *bool             `json:"debug_on_failure,omitempty"` // v3, like the next one
	Logs          string            `json:"logs,omitempty"`
}

type configurationBody struct {
	Name  string `json:"name"`
	Limit string `json:"limit"`
}

type ansibleBody struct {
	Config      string `json:"config"`
	Limit       any    `json:"limit"`
	Verbosity   int    `json:"verbosity"`
	Passthrough any    `json:"passthrough"`
}

type targetBody struct {
	Definition string `json:"definition"`
	Groups     any    `json:"groups"`
	ImageMap   []any  `json:"image_map"`
}

type statusBody struct {
	Artifacts []any `json:"artifacts"`
	Session   any   `json:"session"` // stateV2 or stateV3
}

type stateV2 struct {
	Status     string `json:"status"`
	Succeeded  string `json:"succeeded"`
	Job        string `json:"job"`
	Start      *any   `json:"startTime,omitempty"` // nil: the field is missing; it may point to null
	Completion any    `json:"completionTime"`
}

type stateV3 struct {
	Status     string `json:"status"`
	Succeeded  string `json:"succeeded"`
	Job        string `json:"job"`
	IMSJob     string `json:"ims_job"`
	Start      *any   `json:"start_time,omitempty"`
	Completion any    `json:"completion_time"`
}
