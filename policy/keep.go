package policy

import (
	"fmt"
	"path"
	"time"

	"bosgc/internal/inventory"
)

// protection returns what annotations on the Jobs and ConfigMaps of a session say; one protects
// everything of it. An annotation that cannot be understood protects too: somebody meant
// something by it.
func (j *Judge) protection(g *inventory.Group) *ruling {
	var found *ruling
	add := func(kind, name string, k inventory.Keep) {
		if k == (inventory.Keep{}) {
			return
		}
		if r := j.annotation(kind+" "+name, k); r != nil && (found == nil || r.verdict == Keep) {
			found = r
		}
	}
	jobs, _ := g.Jobs()
	for _, job := range jobs {
		add("Job", job.Name, job.Keep)
	}
	cms, _ := g.ConfigMaps()
	for _, cm := range cms {
		add("ConfigMap", cm.Name, cm.Keep)
	}
	return found
}

// annotation returns what the annotations of one object say; nil if they do not protect.
func (j *Judge) annotation(object string, k inventory.Keep) *ruling {
	if k.Keep != nil {
		switch *k.Keep {
		case "true":
			return keep(KeptByRule, object+" has the annotation bosgc/keep")
		case "false":
		default:
			return unknown(BadData, fmt.Sprintf(
				"%s has the annotation bosgc/keep: %.60q; expected \"true\" or \"false\"", object, *k.Keep))
		}
	}
	if k.Until == nil {
		return nil
	}
	until, err := time.Parse(time.RFC3339, *k.Until)
	switch {
	case err != nil:
		return unknown(BadData, fmt.Sprintf(
			"%s has the annotation bosgc/keep-until: %.60q; expected a time like 2030-01-31T00:00:00Z",
			object, *k.Until))
	case until.After(j.now):
		return keepUntil(KeptByRule, until.UTC(), fmt.Sprintf(
			"%s has the annotation bosgc/keep-until: %s", object, *k.Until))
	}
	return nil
}

// annotated keeps what an annotation protects.
func (j *Judge) annotated(f *facts) *ruling { return f.protected }

// keptTemplate keeps sessions of the templates in BOSGC_KEEP_TEMPLATES, and those of which the template is not known.
func (j *Judge) keptTemplate(f *facts) *ruling {
	return j.keptTemplateName(f.template, f.group.Record.Presence == inventory.Absent)
}

// keptTemplateName keeps what names a template in BOSGC_KEEP_TEMPLATES, and what names none, unless none is expected.
func (j *Judge) keptTemplateName(template string, noneExpected bool) *ruling {
	if len(j.settings.KeepTemplates) > 0 && template == "" && !noneExpected {
		return unknown(BadData, "its template is not known, and BOSGC_KEEP_TEMPLATES may mean it")
	}
	for _, glob := range j.settings.KeepTemplates {
		// A malformed pattern is refused where settings are read; here, when in doubt, keep.
		if ok, err := path.Match(glob, template); ok || err != nil {
			return keep(KeptByRule, fmt.Sprintf("its template %q matches %q of BOSGC_KEEP_TEMPLATES", template, glob))
		}
	}
	return nil
}

func (j *Judge) keptByRule(f *facts) *ruling {
	if f.protected != nil {
		return f.protected
	}
	return j.keptTemplate(f)
}
