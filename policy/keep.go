package policy

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/memory"
	"bosgc/internal/suggest"
)

// protection returns what annotations on the Jobs and ConfigMaps of a session say; one protects
// everything of it. An annotation that cannot be understood protects too: somebody meant
// something by it. One of an object that has gone since protects as long as anything of the session is left.
func (j *Judge) protection(g *inventory.Group) *ruling {
	p, found := j.annotationOf(g)
	if !found {
		return j.rememberedKeep(g)
	}
	detail := p.Kind + " " + p.Name + " has the annotation " + p.Says
	switch {
	case p.Bad:
		return unknown(BadData, detail)
	case !p.Until.IsZero():
		return keepUntil(KeptByRule, p.Until, detail)
	}
	return keep(KeptByRule, detail)
}

// annotatedObject is an object that may carry an annotation.
type annotatedObject struct {
	kind, name string
	keep       inventory.Keep
}

func annotatedObjects(g *inventory.Group) []annotatedObject {
	jobs, _ := g.Jobs()
	cms, _ := g.ConfigMaps()
	objects := make([]annotatedObject, 0, len(jobs)+len(cms))
	for _, job := range jobs {
		objects = append(objects, annotatedObject{"Job", job.Name, job.Keep})
	}
	for _, cm := range cms {
		objects = append(objects, annotatedObject{"ConfigMap", cm.Name, cm.Keep})
	}
	return objects
}

// annotationOf returns the annotation that protects a session, and false if none does. One that is understood goes
// before others.
func (j *Judge) annotationOf(g *inventory.Group) (found memory.Protection, some bool) {
	for _, o := range annotatedObjects(g) {
		if o.keep == (inventory.Keep{}) {
			continue
		}
		if p, protects := j.annotation(o.keep); protects && (!some || found.Bad && !p.Bad) {
			p.Kind, p.Name = o.kind, o.name
			found, some = p, true
		}
	}
	return found, some
}

// annotation returns what the annotations of one object say, and false if they do not protect.
func (j *Judge) annotation(k inventory.Keep) (memory.Protection, bool) {
	if k.Keep != nil {
		switch *k.Keep {
		case "true":
			return memory.Protection{Says: "bosgc/keep"}, true
		case "false":
		default:
			return memory.Protection{
				Says: fmt.Sprintf("bosgc/keep: %.60q; expected \"true\" or \"false\"", *k.Keep), Bad: true,
			}, true
		}
	}
	if k.Until == nil {
		return oddAnnotation(k)
	}
	until, err := time.Parse(time.RFC3339, *k.Until)
	switch {
	case err != nil:
		return memory.Protection{
			Says: fmt.Sprintf("bosgc/keep-until: %.60q; expected a time like 2030-01-31T00:00:00Z", *k.Until), Bad: true,
		}, true
	case until.After(j.now):
		return memory.Protection{Says: "bosgc/keep-until: " + *k.Until, Until: until.UTC()}, true
	}
	return oddAnnotation(k)
}

// oddAnnotation protects by an annotation that bosgc does not know: who misspells a protection means to keep something.
func oddAnnotation(k inventory.Keep) (memory.Protection, bool) {
	if k.Odd == "" {
		return memory.Protection{}, false
	}
	says := fmt.Sprintf("%.60q, which bosgc does not know; ", k.Odd)
	nearest := suggest.Nearest(k.Odd, inventory.KeepAnnotations, func(name string) string { return name })
	if len(nearest) > 0 {
		says += "did you mean " + nearest[0] + "?"
	} else {
		says += "it knows " + strings.Join(inventory.KeepAnnotations, " and ")
	}
	return memory.Protection{Says: says, Bad: true}, true
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

// IdlePatterns returns the patterns of BOSGC_KEEP_TEMPLATES that match no session template that BOS has, and none that a
// session names: mostly they are misspelled. It returns none if BOS's templates are not known.
func IdlePatterns(s *inventory.Snapshot, settings Settings) []string {
	names, known := s.Templates.Names()
	if !known {
		return nil
	}
	templates := slices.Collect(names)
	j := &Judge{settings: settings}
	for _, g := range s.Groups {
		templates = append(templates, j.facts(g).template)
		cms, _ := g.ConfigMaps()
		for _, cm := range cms {
			templates = append(templates, cm.Template)
		}
	}
	return slices.DeleteFunc(slices.Clone(settings.KeepTemplates), func(glob string) bool {
		return slices.ContainsFunc(templates, func(name string) bool {
			match, err := path.Match(glob, name)
			return match || err != nil
		})
	})
}
