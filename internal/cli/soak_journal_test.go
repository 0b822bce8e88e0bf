package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/internal/journal"
	"bosgc/internal/lab"
)

// checkJournal requires a journal entry for everything that the run has deleted, with the content at the time of the
// delete.
func (s *soakWorld) checkJournal(ctx context.Context) error {
	if len(s.deletions) == 0 {
		return nil
	}
	runs, err := journal.Runs(ctx, s.store, "bosgc")
	if err != nil {
		return err
	}
	written := map[string][]journal.Entry{}
	for _, run := range runs {
		if s.runs[run.Run] {
			continue
		}
		s.runs[run.Run] = true
		entries, err := journal.Read(ctx, s.store, "bosgc", run.Run)
		if err != nil {
			s.violate("the journal of run %s: %v", run.Run, err)
		}
		for _, e := range entries {
			key := name(e.Kind, e.Name)
			written[key] = append(written[key], e)
		}
	}
	for _, d := range s.deletions {
		key := name(d.Kind, d.Name)
		why := "the journal of this run does not have it"
		for _, e := range written[key] {
			if why = differs(e, d); why == "" {
				break
			}
		}
		if why != "" {
			s.violate("%s was deleted, but %s", key, why)
		}
	}
	return nil
}

// differs describes how an entry differs from what was deleted, or returns "".
func differs(e journal.Entry, d lab.Deletion) string {
	switch {
	case !d.Found:
		if len(e.Object) > 0 {
			return "the journal has a record that BOS did not have"
		}
		return ""
	case d.System == "kube":
		return differsInKubernetes(e, d)
	}
	var written, was bytes.Buffer
	if json.Compact(&written, e.Object) != nil || json.Compact(&was, d.Content) != nil || !bytes.Equal(written.Bytes(), was.Bytes()) {
		return fmt.Sprintf("the journal has %.300s, where it was %.300s", e.Object, d.Content)
	}
	return ""
}

func differsInKubernetes(e journal.Entry, d lab.Deletion) string {
	var written, was struct {
		metav1.ObjectMeta `json:"metadata"`
	}
	if json.Unmarshal(e.Object, &written) != nil || json.Unmarshal(d.Content, &was) != nil {
		return "the journal has no manifest of it"
	}
	if written.UID != was.UID || written.ResourceVersion != was.ResourceVersion {
		return fmt.Sprintf("the journal has UID %s, version %s, where it had %s, %s", written.UID, written.ResourceVersion, was.UID, was.ResourceVersion)
	}
	if a, b := content(d.Kind, e.Object), content(d.Kind, d.Content); !bytes.Equal(a, b) {
		return fmt.Sprintf("the journal has %.300s, where it was %.300s", a, b)
	}
	return ""
}

// content returns the part of a manifest that is not the API server's own, with its fields in a fixed order.
func content(kind string, manifest []byte) []byte {
	var what any
	if kind == lab.KindJob {
		var job batchv1.Job
		_ = json.Unmarshal(manifest, &job)
		what = []any{job.Spec, job.Labels, job.Annotations}
	} else {
		var cm corev1.ConfigMap
		_ = json.Unmarshal(manifest, &cm)
		what = []any{cm.Data, cm.BinaryData, cm.Labels, cm.Annotations}
	}
	text, _ := json.Marshal(what)
	return text
}
