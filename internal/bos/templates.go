package bos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"bosgc/internal/transport"
)

const (
	templatesPath  = "/v1/sessiontemplate"
	templatesLimit = 32 << 20 // bytes; a template has about 1,000, and sites make one for each node
)

// Templates returns the names of all session templates. It returns the complete list or an error.
func (c *Client) Templates(ctx context.Context) ([]string, error) {
	answer, err := c.do(ctx, transport.Request{
		Method: http.MethodGet, Path: templatesPath, Timeout: c.listTimeout, Limit: templatesLimit, NoRetry: true,
	})
	if err != nil {
		return nil, err
	}
	names, err := decodeTemplateNames(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", templatesPath, err)
	}
	return names, nil
}

// decodeTemplateNames accepts only an array in which every template has a name: without the name of one, the last boot
// of a template that is in use would be deleted.
func decodeTemplateNames(data []byte) ([]string, error) {
	var list []struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("the list of session templates has another form than expected: %w", err)
	}
	if list == nil {
		return nil, errors.New("the list of session templates is null; expected an array")
	}
	names := make([]string, 0, len(list))
	for i, template := range list {
		if template.Name == "" {
			return nil, fmt.Errorf("session template %d of %d has no name", i+1, len(list))
		}
		names = append(names, template.Name)
	}
	return names, nil
}
