package report

import (
	"fmt"
	"html"
	"strings"

	"bosgc/gc"
)

// markup is HTML. What is no constant of this file becomes some by way of text, and by no other: html/template would
// see to that by itself, but costs 12 MB of the binary, because it calls methods by their names and so keeps the linker from
// leaving out what nobody calls.
type markup string

// text is a text as it stands between tags, or in an attribute in quotation marks.
func text(s string) markup { return markup(html.EscapeString(Clean(s))) }

func number(n int) markup { return markup(thousands(n)) }

// fill puts parts into the places of a form.
func fill(form string, parts ...markup) markup {
	values := make([]any, len(parts))
	for i, part := range parts {
		values[i] = part
	}
	return markup(fmt.Sprintf(form, values...))
}

// each makes one thing of each.
func each[T any](all []T, of func(T) markup) markup {
	var b strings.Builder
	for _, one := range all {
		b.WriteString(string(of(one)))
	}
	return markup(b.String())
}

func factsOf(d gc.Document) markup {
	return each(facts(d), func(f fact) markup {
		return fill("<div><dt>%s</dt><dd>%s</dd></div>", text(f.name), text(f.value))
	})
}

// doubts are what a reader must know before the numbers.
func doubts(d gc.Document) markup {
	var all []string
	if d.Stopped != "" {
		all = append(all, "Stopped before its end: "+d.Stopped)
	}
	for _, s := range d.Sources {
		if !s.Complete {
			all = append(all, "Not read completely, so that what depends on it is left alone: "+s.Name+": "+s.Error)
		}
	}
	return each(all, func(doubt string) markup { return fill(`<p class="doubt" role="note">%s</p>`+"\n", text(doubt)) })
}

func tilesOf(tiles []tile) markup {
	return each(tiles, func(t tile) markup {
		return fill(`<li class="tile %s"><b>%s</b> <span>%s</span><small>%s</small></li>`, text(t.Class), number(t.Count), text(t.Name), text(t.Note))
	})
}

const key = `<span class="key" aria-hidden="true"><i class="goes"></i>goes <i class="unknown"></i>not judged <i class="stays"></i>stays</span>`

func chartsOf(charts []chart) markup {
	return each(charts, func(c chart) markup {
		var legend, heads, note markup
		if c.Key {
			legend, heads = key, `<th scope="col" class="n">Goes</th><th scope="col" class="n"><abbr title="not judged">?</abbr></th><th scope="col" class="n">Stays</th>`
		}
		if c.Note != "" {
			note = fill(`<p class="note">%s</p>`, text(c.Note))
		}
		rows := each(c.Rows, func(b *bar) markup { return b.markup(c.Key) })
		return fill(`<section class="card">
<h2>%s%s</h2>
<div class="scroll"><table class="bars">
<thead><tr><th scope="col">%s</th><th scope="col" class="wide"><span class="off">Share</span></th>%s<th scope="col" class="n">All</th></tr></thead>
<tbody>%s</tbody></table></div>
%s</section>
`, text(c.Title), legend, text(c.First), heads, rows, note)
	})
}

func (b *bar) markup(parts bool) markup {
	name, numbers := text(b.Name), markup("")
	if b.Code != "" {
		name = fill(`<a class="reason" href="#reason=%s">%s</a><code>%s</code>`, text(b.Code), name, text(b.Code))
	}
	if parts {
		numbers = fill(`<td class="n">%s</td><td class="n">%s</td><td class="n">%s</td>`, number(b.Goes), number(b.Unknown), number(b.Stays))
	}
	rect := func(class string, x, width float64) markup {
		return markup(fmt.Sprintf(`<rect class="%s" x="%.1f" y="0" width="%.1f" height="14"/>`, class, x, width))
	}
	picture := rect("goes", 0, b.GoesW) + rect("unknown", b.UnknownX, b.UnknownW) + rect("stays", b.StaysX, b.StaysW)
	return fill(`<tr><th scope="row">%s</th><td class="wide"><svg viewBox="0 0 1010 14" preserveAspectRatio="none" aria-hidden="true">%s</svg></td>%s<td class="n">%s</td></tr>
`, name, picture, numbers, number(b.Sum()))
}

var sourceWords = map[string]string{
	"bos-sessions":    "sessions of BOS v1",
	"kube-jobs":       "Jobs in Kubernetes",
	"kube-configmaps": "ConfigMaps in Kubernetes",
	"kube-pods":       "Pods in Kubernetes",
	"kube-cronjobs":   "CronJobs in Kubernetes",
	"cfs-sessions":    "sessions of CFS",
	"cfs-components":  "components of CFS",
}

func sourcesOf(d gc.Document) markup {
	var b strings.Builder
	for _, s := range d.Sources {
		complete := markup("yes")
		if !s.Complete {
			complete = `<strong class="bad">no</strong>`
		}
		b.WriteString(string(fill(`<tr><th scope="row">%s<code>%s</code></th><td>%s</td><td class="n">%s</td><td class="n">%s</td><td>%s</td></tr>
`, text(sourceWords[s.Name]), text(s.Name), complete, number(s.Count), number(s.Requests), text(s.Error))))
	}
	return markup(b.String())
}
