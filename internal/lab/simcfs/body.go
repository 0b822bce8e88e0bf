package simcfs

// sessionBody is a session on the wire. It is a struct because maps are too slow for lists of hundreds of thousands.
// A field that points to nothing is missing; it may point to null.
type sessionBody struct {
	Name          string            `json:"name"`
	Configuration configurationName `json:"configuration"`
	Ansible       ansibleBody       `json:"ansible"`
	Target        targetBody        `json:"target"`
	Status        statusBody        `json:"status"`
	Tags          map[string]string `json:"tags"`
	Debug         *bool             `json:"debug_on_failure,omitempty"` // v3, like the next one
	Logs          *any              `json:"logs,omitempty"`
}

type configurationName struct {
	Name  string `json:"name"`
	Limit string `json:"limit"`
}

type ansibleBody struct {
	Config      string `json:"config"`
	Limit       any    `json:"limit"`
	Verbosity   int    `json:"verbosity"`
	Passthrough *any   `json:"passthrough,omitempty"`
}

type targetBody struct {
	Definition string `json:"definition"`
	Groups     any    `json:"groups"`
	ImageMapV2 *any   `json:"imageMap,omitempty"`
	ImageMap   *any   `json:"image_map,omitempty"`
}

type statusBody struct {
	Artifacts []any `json:"artifacts"`
	Session   any   `json:"session"` // stateV2 or stateV3
}

type stateV2 struct {
	Status     string `json:"status"`
	Succeeded  string `json:"succeeded"`
	Job        any    `json:"job"`
	Start      *any   `json:"startTime,omitempty"`
	Completion any    `json:"completionTime"`
}

type stateV3 struct {
	Status     string `json:"status"`
	Succeeded  string `json:"succeeded"`
	Job        any    `json:"job"`
	IMSJob     any    `json:"ims_job"`
	Start      *any   `json:"start_time,omitempty"`
	Completion any    `json:"completion_time"`
}

// sessionBody returns a session as a GET shows it. What was made through v3 has an empty text where v2 has null, in both
// versions of the API.
func (s *Server) sessionBody(c Session, v3 bool) any {
	if c.Branch != "" {
		return c.bodyV1()
	}
	var null, absent any
	if s.release.v3 && !c.MadeByV2 {
		absent = ""
	}
	body := sessionBody{
		Name:          c.Name,
		Configuration: configurationName{Name: c.Configuration},
		Ansible:       ansibleBody{Config: "cfs-default-ansible-cfg", Limit: c.Limit},
		Target:        targetBody{Definition: c.Definition, Groups: c.groups()},
		Status:        statusBody{Artifacts: c.artifacts(), Session: c.state(v3)},
		Tags:          orEmpty(c.Tags),
	}
	if c.Limit == "" {
		body.Ansible.Limit = absent
	}
	if s.release.passthrough {
		body.Ansible.Passthrough = &absent
	}
	switch s.release.imageMap {
	case "imageMap":
		body.Target.ImageMapV2 = &null
	case "image_map":
		body.Target.ImageMap = &null
	}
	if v3 {
		var no bool
		var logs any = "ara.cmn.system.example/?label=" + c.Name
		body.Debug, body.Logs = &no, &logs
	}
	return body
}

func (c Session) state(v3 bool) any {
	var start *any
	if !c.NoStart {
		start = &c.Start
	}
	if v3 {
		return stateV3{c.Status, c.Succeeded, nullable(c.Job), nil, start, c.Completion}
	}
	return stateV2{c.Status, c.Succeeded, nullable(c.Job), start, c.Completion}
}

func (c Session) artifacts() []any {
	if c.Artifacts == nil {
		return []any{}
	}
	return c.Artifacts
}

func (c Session) groups() any {
	if len(c.Groups) == 0 {
		return nil
	}
	groups := []any{}
	for _, name := range c.Groups {
		groups = append(groups, map[string]any{"name": name, "members": []string{"ea9138c3-3ea7-4f3d-9137-7ba2bac1c843"}})
	}
	return groups
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}
