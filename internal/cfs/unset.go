package cfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

// filteredChunkSize is the number of components in one PATCH with filters. Its body has no limit of
// length, but one that fails fails for all of them.
const filteredChunkSize = 1000

// unsetTries is how often a PATCH is sent for one component: CFS loses a change when it writes the
// state of the component at the same moment.
const unsetTries = 3

// UnsetOutcome is what became of a component whose desired configuration was to be unset.
type UnsetOutcome string

// The values of UnsetOutcome.
const (
	Unset        UnsetOutcome = "unset"   // done, and read back
	UnsetClaimed UnsetOutcome = "claimed" // left alone: it is somebody else's, or nothing is set any more
	UnsetGone    UnsetOutcome = "gone"    // CFS has no such component
	UnsetFailed  UnsetOutcome = "failed"
)

// UnsetResult is the result of Unset for one component.
type UnsetResult struct {
	Outcome UnsetOutcome
	Detail  string // with UnsetClaimed: whose it is, or that nothing is set
	Err     error  // with UnsetFailed
}

// Unset unsets the desired configuration of those components in ids that still have what a session
// of BOS gave them: their desired configuration is config, and their tag names that session. Each
// component is read before, passed to record as it is, and read again afterwards. If record
// fails, nothing of what it was given is sent. Every ID has a result.
//
// No other component can be changed. CFS applies an empty filter to the whole machine, so ids, config
// and session are never empty when they are sent; enabled and tags are not sent at all (docs/csm.md,
// "Unsetting a desired configuration").
func (c *Client) Unset(
	ctx context.Context, session, config string, ids []string, record func([]inventory.Component) error,
) map[string]UnsetResult {
	u := unsetter{client: c, session: session, config: config, record: record, results: map[string]UnsetResult{}}
	invalid := checkFilter("BOS session", session)
	if config == "" {
		invalid = errors.New("no configuration is given: unset would be what anybody wants of a component")
	}
	if record == nil {
		invalid = errors.New("nothing records what is unset: it could not be put back")
	}
	var valid []string
	for _, id := range ids {
		if err := errors.Join(invalid, checkFilter("component", id)); err != nil {
			u.fail(err, id)
			continue
		}
		valid = append(valid, id)
	}
	slices.Sort(valid)
	valid = slices.Compact(valid)
	version, err := c.version(ctx)
	switch {
	case len(valid) == 0:
	case err != nil:
		u.fail(err, valid...)
	case version == "/v3":
		// CFS itself compares each component with the filters directly before it writes it, so that
		// all of them can be read in one go. From CSM 1.5 each list, and each PATCH with filters, makes
		// CFS read every component of the machine, however few are asked for (docs/csm.md,
		// "Components"): in chunks of 25 a session of 6,000 nodes takes minutes.
		u.unset(ctx, valid, filteredChunkSize)
	default:
		for chunk := range slices.Chunk(valid, chunkSize) {
			u.unset(ctx, chunk, chunkSize)
		}
	}
	return u.results
}

// unsetter is one call of Unset.
type unsetter struct {
	client  *Client
	session string
	config  string
	record  func([]inventory.Component) error
	results map[string]UnsetResult
	stray   error // CFS has changed a component that it was not asked to change: nothing more is sent
}

func (u *unsetter) fail(err error, ids ...string) {
	for _, id := range ids {
		u.results[id] = UnsetResult{Outcome: UnsetFailed, Err: err}
	}
}

// unset reads some components, sends what is the session's in chunks, and reads it again.
func (u *unsetter) unset(ctx context.Context, ids []string, chunk int) {
	if u.stray != nil {
		u.fail(u.notSent(), ids...)
		return
	}
	current, err := u.read(ctx, ids)
	if err != nil {
		u.fail(fmt.Errorf("what it has now cannot be read, nothing was sent: %w", err), ids...)
		return
	}
	var ours []inventory.Component
	for _, id := range ids {
		if component, found := current[id]; u.isOurs(id, component, found) {
			ours = append(ours, component)
		}
	}
	var recorded []inventory.Component
	for part := range slices.Chunk(ours, chunk) {
		if err := u.record(slices.Clone(part)); err != nil {
			u.fail(fmt.Errorf("what it has could not be recorded, nothing was sent: %w", err), idsOf(part)...)
			continue
		}
		recorded = append(recorded, part...)
	}
	u.sendUntilUnset(ctx, recorded, chunk)
}

func (u *unsetter) notSent() error { return fmt.Errorf("not sent: %w", u.stray) }

// sendUntilUnset sends the PATCH for some components until they are unset, and reads them after each try.
func (u *unsetter) sendUntilUnset(ctx context.Context, ours []inventory.Component, chunk int) {
	errs := map[string]error{}
	for try := 0; try < unsetTries && len(ours) > 0 && u.stray == nil; try++ {
		var unsent []string
		for part := range slices.Chunk(slices.Clone(ours), chunk) {
			if u.stray != nil {
				unsent = append(unsent, idsOf(part)...)
				continue
			}
			err := u.send(ctx, part)
			for _, component := range part {
				errs[component.ID] = err
			}
		}
		if len(unsent) > 0 { // before anything else can fail: every component has a result
			u.fail(u.notSent(), unsent...)
		}
		ours = slices.DeleteFunc(ours, func(c inventory.Component) bool { return slices.Contains(unsent, c.ID) })
		current, err := u.read(ctx, idsOf(ours))
		if err != nil {
			for _, component := range ours {
				u.fail(fmt.Errorf("whether it is unset is not known: %w", errors.Join(errs[component.ID], err)), component.ID)
			}
			return
		}
		ours = slices.DeleteFunc(ours, func(sent inventory.Component) bool {
			component, found := current[sent.ID]
			return !u.needsRetry(sent.ID, component, found)
		})
	}
	for _, component := range ours {
		err := errs[component.ID]
		if err == nil {
			err = fmt.Errorf("CFS has accepted it %d times, and the desired configuration is %q all the same",
				unsetTries, transport.Printable(u.config, 80))
		}
		u.fail(err, component.ID)
	}
}

// read reads components by their IDs. Many are read by the session's tag, in a few pages, and only those that do not
// have it any more by their IDs.
func (u *unsetter) read(ctx context.Context, ids []string) (map[string]inventory.Component, error) {
	if len(ids) <= chunkSize {
		if len(ids) == 0 {
			return nil, nil
		}
		return u.client.readChunk(ctx, ids)
	}
	tagged, err := u.client.TaggedComponents(ctx, u.session)
	if err != nil {
		return nil, err
	}
	current := map[string]inventory.Component{}
	for _, component := range tagged {
		current[component.ID] = component
	}
	var rest []string
	for _, id := range ids {
		if _, known := current[id]; !known {
			rest = append(rest, id)
		}
	}
	others, err := u.client.Components(ctx, rest)
	maps.Copy(current, others)
	return current, err
}

// isOurs reports whether a component still has what the session gave it. If not, it sets the result.
func (u *unsetter) isOurs(id string, current inventory.Component, found bool) bool {
	result := UnsetResult{Outcome: UnsetClaimed}
	desired := transport.Printable(current.Desired, 80)
	switch {
	case !found:
		result.Outcome = UnsetGone
	case current.Fault != "":
		result = UnsetResult{Outcome: UnsetFailed, Err: errors.New(current.Fault)}
	case current.Desired == "":
		result.Detail = "no configuration is desired any more"
	case current.Tag == "":
		result.Detail = fmt.Sprintf("it names no session any more; its desired configuration is %q", desired)
	case current.Tag != u.session:
		result.Detail = fmt.Sprintf("session %s has configured it since; its desired configuration is %q",
			transport.Printable(current.Tag, 80), desired)
	case current.Desired != u.config:
		result.Detail = fmt.Sprintf("its desired configuration is %q now", desired)
	default:
		return true
	}
	u.results[id] = result
	return false
}

// needsRetry reports whether a component for which a PATCH was sent still has what the session gave
// it. If not, it sets the result.
func (u *unsetter) needsRetry(id string, current inventory.Component, found bool) bool {
	switch {
	case !found || current.Fault != "" || current.Desired != "":
		return u.isOurs(id, current, found)
	case current.Tag == u.session:
		u.results[id] = UnsetResult{Outcome: Unset}
	default:
		whose := "somebody has removed its tag"
		if current.Tag != "" {
			whose = fmt.Sprintf("session %s has claimed it", transport.Printable(current.Tag, 80))
		}
		u.fail(fmt.Errorf("%s while it was being unset, and no configuration is desired: "+
			"that one's may have been erased in between, and must be set again", whose), id)
	}
	return false
}

// send sends a PATCH for these components and no others.
func (u *unsetter) send(ctx context.Context, ours []inventory.Component) error {
	version, err := u.client.version(ctx)
	if err != nil {
		return err
	}
	if version == "/v3" {
		return u.sendFiltered(ctx, idsOf(ours))
	}
	// Version 2 has the PATCH with filters too, but it is broken on several builds.
	var list []map[string]string
	for _, component := range ours {
		list = append(list, map[string]string{"id": component.ID, desiredKey(version): ""})
	}
	_, err = u.client.patch(ctx, version+"/components", list)
	if transport.NotFoundTitle(err) == "" {
		return err
	}
	// One component that was removed fails the whole list. Sent one by one, it fails alone.
	var all []error
	for _, component := range ours {
		all = append(all, u.sendOne(ctx, component.ID))
	}
	return errors.Join(all...)
}

// sendFiltered sends the PATCH with filters: CFS itself checks again, directly before it writes each
// record, whether the component is still the session's.
func (u *unsetter) sendFiltered(ctx context.Context, ids []string) error {
	answer, err := u.client.patch(ctx, "/v3/components", map[string]map[string]string{
		"patch": {desiredKey("/v3"): ""},
		"filters": {
			"ids": strings.Join(ids, ","), "config_name": u.config, "tags": sessionTag + "=" + u.session,
		},
	})
	if err != nil {
		return err
	}
	var changed struct {
		IDs []string `json:"component_ids"`
	}
	_ = json.Unmarshal(answer.Body, &changed) // a malformed answer names nothing; what is read afterwards counts
	for _, id := range changed.IDs {
		if !slices.Contains(ids, id) {
			u.stray = fmt.Errorf("PATCH /v3/components: CFS says that it has changed component %q, "+
				"which it was not asked to change (%d in all, asked for %d): "+
				"look at the desired configurations of this system",
				transport.Printable(id, 80), len(changed.IDs), len(ids))
			return u.stray
		}
	}
	return nil
}

// sendOne unsets one component. It reads the component again first, because others were sent since
// the last look.
func (u *unsetter) sendOne(ctx context.Context, id string) error {
	current, presence, err := u.client.Component(ctx, id)
	if err != nil || presence == inventory.Absent || current.Desired != u.config || current.Tag != u.session {
		return err // the look after all PATCHes sets the result
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
	for _, component := range components {
		ids = append(ids, component.ID)
	}
	return ids
}
