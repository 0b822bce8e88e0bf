package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/internal/inventory"
)

// ReadTemplate reads what a session was made from. Absent is a ConfigMap that has gone; one that is not of the
// form that BOS v1 makes is an error.
func (c *Client) ReadTemplate(ctx context.Context, session string) (inventory.Template, inventory.Presence, error) {
	if !inventory.IsSessionID(session) {
		return inventory.Template{}, inventory.Unknown, fmt.Errorf("%.60q is no session ID of BOS v1", session)
	}
	var cm *corev1.ConfigMap
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		cm, err = c.core.ConfigMaps(c.options.Namespace).Get(ctx, session, metav1.GetOptions{})
		return err
	})
	if presence, err := presenceOf(err); presence != inventory.Present {
		return inventory.Template{}, presence, explain("get ConfigMap "+session, c.options.Namespace, err)
	}
	if fault := bodyFault(cm); fault != "" {
		return inventory.Template{}, inventory.Unknown, fmt.Errorf("ConfigMap %s: %s", session, fault)
	}
	template, err := templateOf([]byte(cm.Data[sessionKey]))
	if err != nil {
		return inventory.Template{}, inventory.Unknown, fmt.Errorf("ConfigMap %s: %w", session, err)
	}
	return template, inventory.Present, nil
}

// templateOf reads a session template. What it says elsewhere, such as kernel parameters, is not looked at.
func templateOf(text []byte) (inventory.Template, error) {
	var raw struct {
		Name     string `json:"name"`
		BootSets map[string]struct {
			NodeList []string `json:"node_list"`
		} `json:"boot_sets"`
		EnableCFS *bool `json:"enable_cfs"`
		CFS       struct {
			Configuration string `json:"configuration"`
			CloneURL      string `json:"clone_url"`
		} `json:"cfs"`
		// Where templates of before CSM 1.0 have it.
		CloneURL string `json:"cfs_url"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		// Its text is not repeated: it may hold secrets.
		return inventory.Template{}, errors.New(sessionKey + " is no session template: a field has another type than BOS gives it")
	}
	t := inventory.Template{
		Name: raw.Name, BootSets: slices.Sorted(maps.Keys(raw.BootSets)), NodeLists: map[string][]string{},
		Configuration: raw.CFS.Configuration, CFSEnabled: raw.EnableCFS == nil || *raw.EnableCFS,
	}
	t.Generated = t.Configuration == "" && (raw.CFS.CloneURL != "" || raw.CloneURL != "")
	for name, set := range raw.BootSets {
		if len(set.NodeList) > 0 {
			t.NodeLists[name] = set.NodeList
		}
	}
	return t, nil
}
