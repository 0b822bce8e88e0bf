package inventory

import (
	"slices"
	"strings"
)

// Texts keeps texts side by side in large blocks. A list is read page by page, and what is kept of a page are some small
// texts amid what is not: each would hold on to a piece of memory of which nothing else could be made, and the
// garbage collector would visit each, every time. What is in one block goes only together.
type Texts struct{ block strings.Builder }

// blockSize is how large a block is, in bytes.
const blockSize = 64 << 10

// Keep gives the same text.
func (t *Texts) Keep(text string) string {
	if len(text) == 0 || len(text) > blockSize/8 {
		return text // a long one is worth a piece of memory of its own
	}
	if t.block.Cap()-t.block.Len() < len(text) {
		t.block = strings.Builder{} // the old one stays where it is, for those that are in it
		t.block.Grow(blockSize)
	}
	at := t.block.Len()
	t.block.WriteString(text)
	return t.block.String()[at:]
}

// Folder keeps what is seen of ten thousand sessions in little room. Half a dozen things name each session, and every answer
// brings its own copy of the ID along.
type Folder struct {
	texts Texts
	known map[string]string
}

// NewFolder makes one to which these IDs of sessions are known.
func NewFolder(ids []string) *Folder {
	f := &Folder{known: make(map[string]string, len(ids))}
	for _, id := range ids {
		f.known[id] = id
	}
	return f
}

// once keeps a text that many things have, once.
func (f *Folder) once(texts ...*string) {
	for _, text := range texts {
		known, there := f.known[*text]
		if !there {
			known = f.texts.Keep(*text)
			f.known[known] = known
		}
		*text = known
	}
}

// each keeps texts that nothing else has.
func (f *Folder) each(texts ...*string) {
	for _, text := range texts {
		*text = f.texts.Keep(*text)
	}
}

func (f *Folder) jobs(jobs []Job) {
	for i := range jobs {
		job := &jobs[i]
		f.once(&job.Session, &job.ConfigMap, &job.Template)
		f.each(&job.Name, &job.UID, &job.ResourceVersion)
	}
}

func (f *Folder) pods(pods []Pod) {
	for i := range pods {
		pod := &pods[i]
		f.once(&pod.Session)
		f.each(&pod.Name, &pod.Job)
	}
}

// Fold keeps all of it in less room. It must not be used by anybody else meanwhile.
func (s *Seen) Fold() {
	f := NewFolder(nil)
	for i := range s.SessionIDs {
		f.once(&s.SessionIDs[i])
	}
	for i := range s.ConfigMaps {
		cm := &s.ConfigMaps[i]
		f.once(&cm.Name)
		f.each(&cm.UID, &cm.ResourceVersion)
	}
	f.jobs(s.Jobs)
	for i := range s.CFS {
		c := &s.CFS[i]
		f.once(&c.Tag)
		f.each(&c.Name, &c.Limit)
	}
	f.texts = Texts{} // nobody is told of Pods, and they are let go earlier
	f.pods(s.Pods)
}

// Clone gives a group that holds on to nothing of the lists of Jobs and Pods that it was joined from.
func (f *Folder) Clone(g *Group) *Group {
	fresh := *g
	fresh.jobs, fresh.pods = slices.Clone(g.jobs), slices.Clone(g.pods)
	f.jobs(fresh.jobs)
	f.pods(fresh.pods)
	return &fresh
}
