package gc

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"bosgc/policy"
)

// MaxSaved is how long a saved plan may be, in bytes: that of a hundred thousand objects.
const MaxSaved = 64 << 20

// clocksApart is how far ahead of this machine's clock the one may have been that a plan was made by.
const clocksApart = time.Minute

// Saved is a plan in a file, to be carried out by "bosgc apply". A person may read it, and nobody may change
// it: each object has a digest, and so has each field. They find a slip of the hand, and what an editor or a merge
// has done. Who makes a false plan can make its digests too; against that stands that nothing is deleted which
// the rules would not let go at that moment anyway.
type Saved struct {
	Document

	Settings map[string]string `json:"settings"` // those that decide about objects, by the names of their variables
	Objects  []SavedObject     `json:"objects"`
	Checksum map[string]string `json:"checksum"` // by field
}

// SavedObject is an object of a saved plan.
type SavedObject struct {
	Object

	Digest string `json:"digest"` // of the rest of it
}

// Save gives a plan as it is written to a file, with the settings by the names of their variables. Its objects read
// the same as those of another plan of the same world.
func (d *Document) Save(settings map[string]string) ([]byte, error) {
	all := Saved{Document: *d, Settings: settings, Objects: []SavedObject{}}
	for _, o := range d.Objects {
		all.Objects = append(all.Objects, SavedObject{Object: o})
	}
	// As it will be read: a server's text that is no UTF-8 is another one afterwards.
	s := &Saved{}
	text, err := json.Marshal(all)
	if err == nil {
		err = json.Unmarshal(text, s)
	}
	if err != nil {
		return nil, err
	}
	for i := range s.Objects {
		s.Objects[i].Digest = digest(s.Objects[i].Object)
	}
	s.Checksum = s.sums()
	text, err = encode(s)
	if err == nil && len(text) > MaxSaved {
		err = fmt.Errorf("the plan has %d objects and is longer than the %d MiB that can be applied; use bosgc sweep, which takes as many as BOSGC_MAX_DELETES at a time", len(s.Objects), MaxSaved>>20)
	}
	return text, err
}

// encode leaves < and > as they are: a person reads it.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(v)
	return b.Bytes(), err
}

func digest(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data always marshals
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// sums gives the digest of each field but the checksum itself.
func (s *Saved) sums() map[string]string {
	bare := *s
	bare.Checksum = nil
	text, err := json.Marshal(bare)
	var fields map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	if err != nil {
		panic(err) // plain data always marshals
	}
	delete(fields, "checksum")
	sums := map[string]string{}
	for name, value := range fields {
		sums[name] = digest(value)
	}
	return sums
}

// ReadSaved reads a saved plan. The error says what of it is not as it was saved.
func ReadSaved(text []byte) (*Saved, error) {
	if len(text) > MaxSaved {
		return nil, fmt.Errorf("it is longer than %d MiB; expected a plan that bosgc plan --save has written", MaxSaved>>20)
	}
	var head struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Checksum   map[string]any `json:"checksum"`
	}
	const make = "; make one with: bosgc plan --save FILE"
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("it is no plan: %w%s", err, make)
	}
	switch {
	case head.APIVersion != APIVersion:
		return nil, fmt.Errorf("its apiVersion is %.40q; expected %q%s", head.APIVersion, APIVersion, make)
	case head.Kind != "Plan":
		return nil, fmt.Errorf("its kind is %.40q; expected %q%s", head.Kind, "Plan", make)
	case len(head.Checksum) == 0:
		return nil, errors.New("it has no checksum, and so was not saved to be applied" + make)
	}
	s := &Saved{}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(s); err != nil {
		return nil, fmt.Errorf("it was changed by hand, or saved by another version: %w%s", err, make)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows after the end of the plan" + make)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%w%s", err, make)
	}
	return s, s.same(text)
}

// check looks at every object by itself.
func (s *Saved) check() error {
	seen := map[[2]string]bool{}
	for _, o := range s.Objects {
		key := o.key()
		switch {
		case o.Name == "" || !slices.Contains(policy.Kinds(), o.Kind):
			return fmt.Errorf("it has an object of kind %.40q and name %.80q, which no plan has", o.Kind, o.Name)
		case seen[key]:
			return fmt.Errorf("it has %s %.80q twice", o.Kind, o.Name)
		case !slices.Contains(policy.Reasons(o.Verdict), o.Reason):
			return fmt.Errorf("%s %.80q has the verdict %.40q with the reason %.40q, which no rule gives", o.Kind, o.Name, o.Verdict, o.Reason)
		case o.Outcome != "" || o.Error != "":
			return fmt.Errorf("%s %.80q has the outcome %.40q: this is no plan but what became of one", o.Kind, o.Name, o.Outcome)
		}
		seen[key] = true
	}
	if s.ExpiresAt == nil {
		return errors.New("it does not say when it expires")
	}
	return nil
}

// key is what an object is known by.
func (o *Object) key() [2]string { return [2]string{o.Kind.String(), o.Name} }

// same makes sure that nobody has changed anything since it was saved, and names what somebody has.
func (s *Saved) same(text []byte) error {
	var wrong []string
	for _, o := range s.Objects {
		if o.Digest != digest(o.Object) {
			wrong = append(wrong, fmt.Sprintf("%s %.80q", o.Kind, o.Name))
		}
	}
	sums := s.sums()
	fields := slices.Concat(slices.Collect(maps.Keys(sums)), slices.Collect(maps.Keys(s.Checksum)))
	slices.Sort(fields)
	for _, field := range slices.Compact(fields) {
		switch {
		case sums[field] == s.Checksum[field]:
		case field != "objects":
			wrong = append(wrong, fmt.Sprintf("%.40q", field))
		case len(wrong) == 0:
			wrong = append(wrong, "the list of objects, where some were added, taken away or moved")
		}
	}
	const again = "; it is carried out as it was saved or not at all: make another with bosgc plan --save FILE"
	if len(wrong) > 5 {
		wrong = append(wrong[:5], fmt.Sprintf("%d more", len(wrong)-5))
	}
	if len(wrong) > 0 {
		return errors.New("it was changed by hand: " + strings.Join(wrong, ", ") + again)
	}
	// What a person reads in it must be what it says: of a field that stands there twice only one counts.
	var as, is bytes.Buffer
	saved, err := encode(s)
	if err == nil {
		err = errors.Join(json.Compact(&as, saved), json.Compact(&is, text))
	}
	if err != nil || !bytes.Equal(as.Bytes(), is.Bytes()) {
		return errors.New("it was changed by hand: a field stands in it twice, in another place or in another spelling" + again)
	}
	return nil
}

// Fits says why a saved plan cannot be carried out here and now; nil if it can. Two clusters can have the same
// address, each seen from inside: what is deleted in Kubernetes is named by its UID besides, and everything
// else by a UUID, so that a plan for the other cluster would find nothing of its own.
func (s *Saved) Fits(cluster, namespace string, now time.Time) error {
	switch {
	case s.Cluster != cluster:
		return fmt.Errorf("it is for the cluster %.200q, and this is %q; choose another with --kubeconfig and --context", s.Cluster, cluster)
	case s.Namespace != namespace:
		return fmt.Errorf("it is for the namespace %.80q, and BOSGC_NAMESPACE is %q", s.Namespace, namespace)
	case s.CreatedAt.Sub(now) > clocksApart:
		return fmt.Errorf("it was made at %s, and here it is only %s; one of the two clocks is wrong, and nobody can say whether it has expired", clock(s.CreatedAt), clock(now))
	case !now.Before(*s.ExpiresAt):
		return fmt.Errorf("it has expired at %s, and it is %s; make another with bosgc plan --save FILE", clock(*s.ExpiresAt), clock(now))
	}
	return nil
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Changed is a setting that is not what it was.
type Changed struct{ Name, Then, Now string }

// Differ names the settings that differ from those that a plan was made with, by their names.
func (s *Saved) Differ(settings map[string]string) []Changed {
	var all []Changed
	names := slices.Concat(slices.Collect(maps.Keys(s.Settings)), slices.Collect(maps.Keys(settings)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if s.Settings[name] != settings[name] {
			all = append(all, Changed{name, s.Settings[name], settings[name]})
		}
	}
	return all
}
