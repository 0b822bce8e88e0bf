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

// sessionKey is the one key of a ConfigMap that BOS v1 makes.
const sessionKey = "data.json"

func (c *Client) fetchConfigMap(ctx context.Context, name string) (*corev1.ConfigMap, inventory.Presence, error) {
	cm, err := fetch(ctx, c.do, func(ctx context.Context) (*corev1.ConfigMap, error) {
		return c.configMaps().Get(ctx, name, metav1.GetOptions{})
	})
	presence, err := presenceOf(err)
	return cm, presence, explain("get ConfigMap "+name, c.options.Namespace, err)
}

// GetConfigMapManifest reads one ConfigMap with everything in it.
func (c *Client) GetConfigMapManifest(ctx context.Context, name string) (Manifest, inventory.Presence, error) {
	cm, presence, err := c.fetchConfigMap(ctx, name)
	if presence != inventory.Present {
		return Manifest{}, presence, err
	}
	return configMapManifest(cm)
}

func configMapManifest(cm *corev1.ConfigMap) (Manifest, inventory.Presence, error) {
	cm.APIVersion, cm.Kind = "v1", "ConfigMap" // the client library drops both
	m, presence, err := newManifest(&cm.ObjectMeta, cm)
	m.Keep = keepOf(&cm.ObjectMeta)
	return m, presence, err
}

// ReadBody reads the content of a ConfigMap that was listed, and judges whether it is what BOS v1
// makes; if it is, the manifest is returned too. It returns false if the ConfigMap has been deleted.
func (c *Client) ReadBody(
	ctx context.Context, listed inventory.ConfigMap,
) (read inventory.ConfigMap, manifest json.RawMessage, found bool) {
	cm, presence, err := c.fetchConfigMap(ctx, listed.Name)
	if presence == inventory.Absent {
		return listed, nil, false
	}
	if err != nil {
		listed.Body, listed.BodyFault = inventory.BodyFailed, err.Error()
		return listed, nil, true
	}
	// What is deleted later is this version, and not the one that was listed.
	read = projectConfigMap(&cm.ObjectMeta)
	read.User = listed.User
	read.Body = inventory.BodyExact
	if read.Template, read.BodyFault = sessionTemplate(cm); read.BodyFault != "" {
		read.Body = inventory.BodyOther
		return read, nil, true
	}
	m, _, _ := configMapManifest(cm) // without a manifest it is only read once more
	return read, m.JSON, true
}

// sessionTemplate returns the name of the session template that a ConfigMap holds, and how its content differs from
// what BOS v1 makes; empty if it does not. The content itself is never shown: kernel parameters in it may hold secrets.
func sessionTemplate(cm *corev1.ConfigMap) (name, fault string) {
	text, ok := cm.Data[sessionKey]
	if !ok || len(cm.Data)+len(cm.BinaryData) != 1 {
		return "", fmt.Sprintf("it has not exactly one key %s", sessionKey)
	}
	var template struct {
		Name     any                        `json:"name"`
		BootSets map[string]json.RawMessage `json:"boot_sets"`
	}
	if err := json.Unmarshal([]byte(text), &template); err != nil || template.BootSets == nil {
		return "", "its " + sessionKey + " is no session template with boot_sets"
	}
	name, _ = template.Name.(string)
	return name, ""
}

func bodyFault(cm *corev1.ConfigMap) string {
	_, fault := sessionTemplate(cm)
	return fault
}

// ReadKeep reads what protects a ConfigMap as it is now.
func (c *Client) ReadKeep(ctx context.Context, name string) (inventory.Keep, inventory.Presence, error) {
	meta, err := fetch(ctx, c.do, func(ctx context.Context) (*metav1.PartialObjectMetadata, error) {
		return c.configMapMetadata(c.options.Namespace).Get(ctx, name, metav1.GetOptions{})
	})
	presence, err := presenceOf(err)
	if presence != inventory.Present {
		return inventory.Keep{}, presence, explain("get ConfigMap "+name, c.options.Namespace, err)
	}
	return keepOf(&meta.ObjectMeta), presence, nil
}

// ReadTemplate reads the session template that a session was made from. A ConfigMap that does not have
// the form that BOS v1 gives it is an error.
func (c *Client) ReadTemplate(ctx context.Context, session string) (inventory.Template, inventory.Presence, error) {
	if !inventory.IsSessionID(session) {
		return inventory.Template{}, inventory.Unknown, fmt.Errorf("%.60q is no session ID of BOS v1", session)
	}
	cm, presence, err := c.fetchConfigMap(ctx, session)
	if presence != inventory.Present {
		return inventory.Template{}, presence, err
	}
	if fault := bodyFault(cm); fault != "" {
		return inventory.Template{}, inventory.Unknown, fmt.Errorf("ConfigMap %s: %s", session, fault)
	}
	template, err := parseTemplate([]byte(cm.Data[sessionKey]))
	if err != nil {
		return inventory.Template{}, inventory.Unknown, fmt.Errorf("ConfigMap %s: %w", session, err)
	}
	return template, inventory.Present, nil
}

// parseTemplate reads what bosgc needs of a session template, and nothing else, such as kernel parameters.
func parseTemplate(text []byte) (inventory.Template, error) {
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
		// Where templates from before CSM 1.0 have it.
		CloneURL string `json:"cfs_url"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		// Its text is not repeated: it may hold secrets.
		return inventory.Template{}, errors.New(sessionKey +
			" is no session template: a field has another type than BOS gives it")
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
