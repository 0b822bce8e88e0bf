// Package planfile keeps a plan in a file, which "bosgc apply" carries out exactly.
package planfile

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

	"bosgc/gc"
	"bosgc/internal/margin"
	"bosgc/policy"
)

// MaxSize is how long a saved plan may be, in bytes: that of a hundred thousand objects.
const MaxSize = 64 << 20

// Plan is a plan in a file, to be carried out by "bosgc apply". People may read it but not change it: each object and
// each field has a digest, which detects accidents of typing, editing and merging. A forged plan can have valid
// digests. It does no harm: "bosgc apply" deletes nothing that the rules do not allow to be deleted at that moment.
type Plan struct {
	gc.Document

	Settings map[string]string `json:"settings"` // those that decide about objects, by variable
	Objects  []Object          `json:"objects"`
	Checksum map[string]string `json:"checksum"` // by field
}

// Object is an object of a saved plan.
type Object struct {
	gc.Object

	Digest string `json:"digest"` // of the other fields
}

// Encode returns a plan as it is written to a file, with the settings by variable. Two plans of the same world have the
// same objects, byte for byte.
func Encode(d gc.Document, settings map[string]string) ([]byte, error) {
	all := Plan{Document: d, Settings: settings, Objects: []Object{}}
	for _, o := range d.Objects {
		all.Objects = append(all.Objects, Object{Object: o})
	}
	// The digests are of what a reader will see: encoding replaces bytes of a server that are not UTF-8.
	s := &Plan{}
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
	s.Checksum = s.fieldDigests()
	text, err = encode(s)
	if err == nil && len(text) > MaxSize {
		err = fmt.Errorf("the plan has %d objects and is longer than the %d MiB that can be applied; use bosgc sweep, which takes as many as BOSGC_MAX_DELETES at a time", len(s.Objects), MaxSize>>20)
	}
	return text, err
}

// encode does not escape < and >, because people read the file.
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

// fieldDigests returns the digest of each field but the checksum itself.
func (s *Plan) fieldDigests() map[string]string {
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

// Decode reads a saved plan. The error names what has changed since it was saved.
func Decode(text []byte) (*Plan, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("it is longer than %d MiB; expected a plan that bosgc plan --save has written", MaxSize>>20)
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
	case head.APIVersion != gc.APIVersion:
		return nil, fmt.Errorf("its apiVersion is %.40q; expected %q%s", head.APIVersion, gc.APIVersion, make)
	case head.Kind != "Plan":
		return nil, fmt.Errorf("its kind is %.40q; expected %q%s", head.Kind, "Plan", make)
	case len(head.Checksum) == 0:
		return nil, errors.New("it has no checksum, and so was not saved to be applied" + make)
	}
	s := &Plan{}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(s); err != nil {
		return nil, fmt.Errorf("it was changed by hand, or saved by another version: %w%s", err, make)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows after the end of the plan" + make)
	}
	if err := s.checkObjects(); err != nil {
		return nil, fmt.Errorf("%w%s", err, make)
	}
	return s, s.checkUnchanged(text)
}

// checkObjects checks each object on its own.
func (s *Plan) checkObjects() error {
	seen := map[gc.Key]bool{}
	for _, o := range s.Objects {
		key := o.Key()
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

// checkUnchanged returns an error that names what has changed since the plan was saved.
func (s *Plan) checkUnchanged(text []byte) error {
	var wrong []string
	for _, o := range s.Objects {
		if o.Digest != digest(o.Object) {
			wrong = append(wrong, fmt.Sprintf("%s %.80q", o.Kind, o.Name))
		}
	}
	sums := s.fieldDigests()
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
	// A duplicate field would let people read one value and bosgc use another.
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

// CheckPlace returns why a saved plan cannot be carried out here and now; nil if it can. Two clusters can have the same
// address, each seen from inside. A plan for the other one finds nothing to delete: its objects in Kubernetes are named
// by UID, all others by UUID.
func (s *Plan) CheckPlace(cluster, namespace string, now time.Time) error {
	switch {
	case s.Cluster != cluster:
		return fmt.Errorf("it is for the cluster %.200q, and this is %q; choose another with --kubeconfig and --context", s.Cluster, cluster)
	case s.Namespace != namespace:
		return fmt.Errorf("it is for the namespace %.80q, and BOSGC_NAMESPACE is %q", s.Namespace, namespace)
	case s.CreatedAt.Sub(now) > margin.MaxClockSkew:
		return fmt.Errorf("it was made at %s, and here it is only %s; one of the two clocks is wrong, and nobody can say whether it has expired", clock(s.CreatedAt), clock(now))
	case !now.Before(*s.ExpiresAt):
		return fmt.Errorf("it has expired at %s, and it is %s; make another with bosgc plan --save FILE", clock(*s.ExpiresAt), clock(now))
	}
	return nil
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Changed is a setting that is not what it was.
type Changed struct{ Name, Then, Now string }

// Differences returns the settings that differ from those that a plan was made with, by their names.
func (s *Plan) Differences(settings map[string]string) []Changed {
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
