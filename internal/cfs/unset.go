package cfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

// unsetTries is how often one component is unset, before it is left as it is: CFS loses a change
// when it writes the state of a component at the same moment.
const unsetTries = 3

// UnsetOutcome is what became of one component whose desired configuration was to be unset.
type UnsetOutcome string

// The values of UnsetOutcome.
const (
	Unset        UnsetOutcome = "unset"   // done, and read back
	UnsetClaimed UnsetOutcome = "claimed" // left alone: somebody else's, or nothing is set any more
	UnsetGone    UnsetOutcome = "gone"    // CFS has no such component
	UnsetFailed  UnsetOutcome = "failed"
)

// UnsetResult is the outcome of one component.
type UnsetResult struct {
	Outcome UnsetOutcome
	Detail  string // of UnsetClaimed: whose it is, or that nothing is set
	Err     error  // of UnsetFailed
}

// Unset unsets the desired configuration of those of ids that still have the one that a session of
// BOS gave them: it is config, and their tag is that session. Each is read directly before, given to
// record with what it has, and read again afterwards; if record fails, nothing of what it was given
// is sent. No other component can be reached: ids, config and session are never empty when they
// are sent, since CFS takes a filter that is for the whole machine, and neither enabled nor tags
// are sent (docs/csm.md, "Unsetting a desired configuration"). Every one of ids has a result.
func (c *Client) Unset(ctx context.Context, session, config string, ids []string, record func([]inventory.Component) error) map[string]UnsetResult {
	u := unsetting{client: c, session: session, config: config, record: record, results: map[string]UnsetResult{}}
	wrong := filterable("BOS session", session)
	if config == "" {
		wrong = errors.New("no configuration is given: unset would be what anybody wants of a component")
	}
	if record == nil {
		wrong = errors.New("nothing records what is unset: it could not be put back")
	}
	var good []string
	for _, id := range ids {
		if err := errors.Join(wrong, filterable("component", id)); err != nil {
			u.failed(err, id)
			continue
		}
		good = append(good, id)
	}
	slices.Sort(good)
	for chunk := range slices.Chunk(slices.Compact(good), chunkSize) {
		u.chunk(ctx, chunk)
	}
	return u.results
}

// unsetting is one call of Unset.
type unsetting struct {
	client  *Client
	session string
	config  string
	record  func([]inventory.Component) error
	results map[string]UnsetResult
	stray   error // CFS has changed what it was not asked to change: nothing more is sent
}

func (u *unsetting) failed(err error, ids ...string) {
	for _, id := range ids {
		u.results[id] = UnsetResult{Outcome: UnsetFailed, Err: err}
	}
}

func (u *unsetting) chunk(ctx context.Context, ids []string) {
	if u.stray != nil {
		u.failed(fmt.Errorf("not sent: %w", u.stray), ids...)
		return
	}
	now, err := u.client.chunk(ctx, ids)
	if err != nil {
		u.failed(fmt.Errorf("what it has now cannot be read, nothing was sent: %w", err), ids...)
		return
	}
	var ours []inventory.Component
	for _, id := range ids {
		if one, there := now[id]; u.before(id, one, there) {
			ours = append(ours, one)
		}
	}
	if len(ours) == 0 {
		return
	}
	if err := u.record(slices.Clone(ours)); err != nil {
		u.failed(fmt.Errorf("what it has could not be recorded, nothing was sent: %w", err), idsOf(ours)...)
		return
	}
	var sent error
	for try := 0; try < unsetTries && len(ours) > 0 && u.stray == nil; try++ {
		sent = u.send(ctx, ours)
		now, err := u.client.chunk(ctx, idsOf(ours))
		if err != nil {
			u.failed(fmt.Errorf("whether it is unset is not known: %w", errors.Join(sent, err)), idsOf(ours)...)
			return
		}
		ours = slices.DeleteFunc(ours, func(was inventory.Component) bool {
			one, there := now[was.ID]
			return !u.after(was.ID, one, there)
		})
	}
	if sent == nil {
		sent = fmt.Errorf("CFS has accepted it %d times, and the desired configuration is %q all the same", unsetTries, transport.Printable(u.config, 80))
	}
	u.failed(sent, idsOf(ours)...)
}

// before says whether a component is the session's still. Of any other it notes what is the matter.
func (u *unsetting) before(id string, now inventory.Component, there bool) bool {
	result := UnsetResult{Outcome: UnsetClaimed}
	switch {
	case !there:
		result.Outcome = UnsetGone
	case now.Fault != "":
		result = UnsetResult{Outcome: UnsetFailed, Err: errors.New(now.Fault)}
	case now.Desired == "":
		result.Detail = "no configuration is desired any more"
	case now.Tag == "":
		result.Detail = fmt.Sprintf("it names no session any more; its desired configuration is %q", transport.Printable(now.Desired, 80))
	case now.Tag != u.session:
		result.Detail = fmt.Sprintf("session %s has configured it since; its desired configuration is %q", transport.Printable(now.Tag, 80), transport.Printable(now.Desired, 80))
	case now.Desired != u.config:
		result.Detail = fmt.Sprintf("its desired configuration is %q now", transport.Printable(now.Desired, 80))
	default:
		return true
	}
	u.results[id] = result
	return false
}

// after is before, of a component for which a PATCH was sent.
func (u *unsetting) after(id string, now inventory.Component, there bool) bool {
	switch {
	case !there || now.Fault != "" || now.Desired != "":
		return u.before(id, now, there)
	case now.Tag == u.session:
		u.results[id] = UnsetResult{Outcome: Unset}
	default:
		whose := "somebody has removed its tag"
		if now.Tag != "" {
			whose = fmt.Sprintf("session %s has claimed it", transport.Printable(now.Tag, 80))
		}
		u.failed(fmt.Errorf("%s while it was being unset, and no configuration is desired: that one's may have been erased in between, and must be set again", whose), id)
	}
	return false
}

// send sends a PATCH for these components alone.
func (u *unsetting) send(ctx context.Context, ours []inventory.Component) error {
	version, err := u.client.base(ctx)
	if err != nil {
		return err
	}
	if version == "/v3" {
		return u.filtered(ctx, idsOf(ours))
	}
	// Version 2 has the PATCH by filter too, and it is broken on several builds.
	var list []map[string]string
	for _, one := range ours {
		list = append(list, map[string]string{"id": one.ID, desiredKey(version): ""})
	}
	_, err = u.client.patch(ctx, version+"/components", list)
	if transport.NotFoundTitle(err) == "" {
		return err
	}
	// One that was removed fails all of them. So that it fails alone, each is sent by itself.
	var all []error
	for _, one := range ours {
		all = append(all, u.single(ctx, one.ID))
	}
	return errors.Join(all...)
}

// filtered leaves it to CFS to look once more, directly before it writes each record, whether it
// is still the session's.
func (u *unsetting) filtered(ctx context.Context, ids []string) error {
	answer, err := u.client.patch(ctx, "/v3/components", map[string]map[string]string{
		"patch":   {desiredKey("/v3"): ""},
		"filters": {"ids": strings.Join(ids, ","), "config_name": u.config, "tags": sessionTag + "=" + u.session},
	})
	if err != nil {
		return err
	}
	var changed struct {
		IDs []string `json:"component_ids"`
	}
	_ = json.Unmarshal(answer.Body, &changed) // an answer of another form names nothing; what is read afterwards counts
	for _, id := range changed.IDs {
		if !slices.Contains(ids, id) {
			u.stray = fmt.Errorf("PATCH /v3/components: CFS says that it has changed component %q, which it was not asked to change (%d in all, asked for %d): look at the desired configurations of this system",
				transport.Printable(id, 80), len(changed.IDs), len(ids))
			return u.stray
		}
	}
	return nil
}

// single unsets one component. It looks once more, because others were sent since.
func (u *unsetting) single(ctx context.Context, id string) error {
	now, presence, err := u.client.Component(ctx, id)
	if err != nil || presence == inventory.Absent || now.Desired != u.config || now.Tag != u.session {
		return err // it is read again, and what it is then is said then
	}
	path, version, err := u.client.componentPath(ctx, id)
	if err != nil {
		return err
	}
	_, err = u.client.patch(ctx, path, map[string]string{desiredKey(version): ""})
	if transport.NotFoundTitle(err) != "" {
		return nil
	}
	return err
}

func idsOf(components []inventory.Component) []string {
	var ids []string
	for _, one := range components {
		ids = append(ids, one.ID)
	}
	return ids
}
