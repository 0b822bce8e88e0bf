package cfs

// Requests is the number of requests sent so far, every try counted.
func (c *Client) Requests() int { return c.http.Requests() }
