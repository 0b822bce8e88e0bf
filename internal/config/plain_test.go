package config

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestPlainCredentials(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("p"), 0o600); err != nil {
		t.Fatal(err)
	}
	client := []string{"BOSGC_CLIENT_ID=c", "BOSGC_CLIENT_SECRET=s"}
	for _, tt := range []struct {
		name    string
		environ []string
		want    []string
	}{
		{"no token is sent", nil, nil},
		{
			"everything in the clear", append(client, "BOSGC_TOKEN_URL=http://api-gw/token"),
			[]string{"BOSGC_TOKEN_URL", "BOSGC_BOS_URL", "BOSGC_CFS_URL"},
		},
		{
			"only the token", append(client, "BOSGC_TOKEN_URL=https://api-gw/token", "BOSGC_BOS_URL=https://api-gw/apis/bos"),
			[]string{"BOSGC_CFS_URL"},
		},
		{
			"this machine",
			append(client, "BOSGC_TOKEN_URL=http://127.0.0.1:8080/token", "BOSGC_BOS_URL=http://localhost:1", "BOSGC_CFS_URL=http://[::1]:2"),
			nil,
		},
		{
			"etcd's password",
			[]string{
				"BOSGC_BOS_ETCD_ENDPOINTS=http://127.0.0.1:2379,http://etcd:2379", "BOSGC_BOS_ETCD_USER=u", "BOSGC_BOS_ETCD_PASSWORD_FILE=" + secret,
			},
			[]string{"BOSGC_BOS_ETCD_ENDPOINTS"},
		},
		{"etcd without a password", []string{"BOSGC_BOS_ETCD_ENDPOINTS=http://etcd:2379"}, nil},
	} {
		c, err := Load(tt.environ)
		if got := c.PlainCredentials(); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, %v, want %v", tt.name, err, got, tt.want)
		}
	}
}
