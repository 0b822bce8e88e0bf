package simkube

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

// column is a column of the table that kubectl prints.
type column struct {
	name string
	cell func(o object) any
}

var (
	namespaceColumns  = []column{{"Status", field("status", "phase")}, {"Age", age}}
	configMapColumns  = []column{{"Data", dataKeys}, {"Age", age}}
	podColumns        = []column{{"Ready", readyContainers}, {"Status", podStatus}, {"Restarts", zero}, {"Age", age}}
	jobColumns        = []column{{"Completions", completions}, {"Duration", jobDuration}, {"Age", age}}
	deploymentColumns = []column{{"Available", field("status", "availableReplicas")}, {"Age", age}}
	cronJobColumns    = []column{
		{"Schedule", field("spec", "schedule")}, {"Suspend", field("spec", "suspend")}, {"Age", age},
	}
)

// table returns objects as a Table, which is what kubectl prints.
func (q request) table(items []object, meta metav1.ListMeta) any {
	columns := []map[string]any{{
		"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0,
	}}
	shown := q.resource.columns
	if shown == nil {
		shown = []column{{"Age", age}}
	}
	for _, c := range shown {
		columns = append(columns, map[string]any{
			"name": c.name, "type": "string", "format": "", "description": "", "priority": 0,
		})
	}
	rows := make([]any, 0, len(items))
	for _, o := range items {
		cells := []any{o.metaText("name")}
		for _, c := range shown {
			cells = append(cells, c.cell(o))
		}
		var whole any
		switch q.URL.Query().Get("includeObject") {
		case "None":
		case "Object":
			whole = q.withKind(o)
		default:
			whole = partialObject(o)
		}
		rows = append(rows, map[string]any{"cells": cells, "object": whole})
	}
	return map[string]any{
		"kind": asTable, "apiVersion": "meta.k8s.io/v1", "metadata": meta,
		"columnDefinitions": columns, "rows": rows,
	}
}

func field(path ...string) func(object) any {
	return func(o object) any {
		var value any = map[string]any(o)
		for _, name := range path {
			m, _ := value.(map[string]any)
			value = m[name]
		}
		if value == nil {
			return ""
		}
		return fmt.Sprint(value)
	}
}

func zero(object) any { return "0" }

func since(text string) time.Duration {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0
	}
	return time.Since(t)
}

func age(o object) any { return duration.HumanDuration(since(o.metaText("creationTimestamp"))) }

func dataKeys(o object) any {
	data, _ := o["data"].(map[string]any)
	binary, _ := o["binaryData"].(map[string]any)
	return fmt.Sprint(len(data) + len(binary))
}

func containerStatuses(o object) []map[string]any {
	status, _ := o["status"].(map[string]any)
	list, _ := status["containerStatuses"].([]any)
	var found []map[string]any
	for _, item := range list {
		container, _ := item.(map[string]any)
		found = append(found, container)
	}
	return found
}

func readyContainers(o object) any {
	ready := 0
	for _, container := range containerStatuses(o) {
		if container["ready"] == true {
			ready++
		}
	}
	spec, _ := o["spec"].(map[string]any)
	all, _ := spec["containers"].([]any)
	return fmt.Sprintf("%d/%d", ready, len(all))
}

// podStatus returns kubectl's word for a Pod's state.
func podStatus(o object) any {
	phase := field("status", "phase")(o)
	names := map[any]string{"Succeeded": "Completed", "Failed": "Error"}
	if name, ok := names[phase]; ok {
		return name
	}
	ready, all, _ := strings.Cut(readyContainers(o).(string), "/")
	if phase == "Running" && ready != all {
		return "NotReady"
	}
	return phase
}

func completions(o object) any {
	done := field("status", "succeeded")(o)
	if done == "" {
		done = "0"
	}
	return fmt.Sprintf("%s/1", done)
}

func jobDuration(o object) any {
	start, _ := field("status", "startTime")(o).(string)
	end, _ := field("status", "completionTime")(o).(string)
	switch {
	case start == "":
		return ""
	case end == "":
		return duration.HumanDuration(since(start))
	}
	return duration.HumanDuration(since(start) - since(end))
}
