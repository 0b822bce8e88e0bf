package rescue

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"bosgc/gc"
	"bosgc/internal/bosetcd"
	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/policy"
	"bosgc/test/plane"
)

// certificates creates a CA and a certificate for servers and clients on loopback, as files.
func certificates(t *testing.T) plane.EtcdTLS {
	t.Helper()
	dir := t.TempDir()
	put := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "etcd"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	cert := put("cert.pem", "CERTIFICATE", der)
	return plane.EtcdTLS{CA: cert, Cert: cert, Key: put("key.pem", "EC PRIVATE KEY", private)}
}

// An etcd that requires TLS, a certificate and a user is read by a user who may read the sessions and
// nothing else.
func TestReadingAnEtcdThatIsLocked(t *testing.T) {
	files := certificates(t)
	etcd := plane.StartEtcd(t, &files)
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(files.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	admin, err := clientv3.New(clientv3.Config{
		Endpoints: []string{etcd.URL}, TLS: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	ctx := t.Context()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const base = "/session/"
	for n := range 1000 {
		var puts []clientv3.Op
		for _, attribute := range []string{"job", "operation", "status_link", "status", "status/compute"} {
			puts = append(puts, clientv3.OpPut(fmt.Sprintf("%s%08d-2c3b-4f5e-8a9b-0123456789ab/%s", base, n, attribute), "value"))
		}
		must(admin.Txn(ctx).Then(puts...).Commit())
	}
	must(admin.Put(ctx, "/sessionTemplate/x", "secret"))
	must(admin.RoleAdd(ctx, "sessions"))
	must(admin.RoleGrantPermission(ctx, "sessions", base, clientv3.GetPrefixRangeEnd(base), clientv3.PermissionType(clientv3.PermRead)))
	must(admin.UserAdd(ctx, "reader", "pass"))
	must(admin.UserGrantRole(ctx, "reader", "sessions"))
	must(admin.RoleAdd(ctx, "root"))
	must(admin.UserAdd(ctx, "root", "other"))
	must(admin.UserGrantRole(ctx, "root", "root"))
	must(admin.AuthEnable(ctx))

	password := filepath.Join(t.TempDir(), "password")
	read := func(user, text string, tls plane.EtcdTLS) (bosetcd.Keys, error) {
		if err := os.WriteFile(password, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		o := bosetcd.Options{Endpoints: []string{etcd.URL}, CAFile: tls.CA, CertFile: tls.Cert, KeyFile: tls.Key, User: user, Timeout: 5 * time.Second}
		if user != "" {
			o.PasswordFile = password
		}
		return bosetcd.New(o).Read(ctx)
	}
	found, err := read("reader", "pass", files)
	if err != nil || len(found.Sessions) != 1000 || found.Count != 5000 || found.Requests != 3+100 {
		t.Errorf("%d sessions, %d keys, %d requests, error %v", len(found.Sessions), found.Count, found.Requests, err)
	}
	for name, try := range map[string]func() (bosetcd.Keys, error){
		"wrong password": func() (bosetcd.Keys, error) { return read("reader", "wrong", files) },
		"no certificate": func() (bosetcd.Keys, error) { return read("reader", "pass", plane.EtcdTLS{CA: files.CA}) },
		"unknown CA": func() (bosetcd.Keys, error) {
			return read("reader", "pass", plane.EtcdTLS{Cert: files.Cert, Key: files.Key})
		},
	} {
		if found, err := try(); err == nil || found.Sessions != nil || !strings.Contains(err.Error(), "BOSGC_BOS_ETCD_ENDPOINTS") {
			t.Errorf("%s: %d sessions, error %v", name, len(found.Sessions), err)
		}
	}
}

// An etcd that cannot be read is reported, and bosgc goes on without it.
func TestAnEtcdThatCannotBeRead(t *testing.T) {
	s := start(t, "1.4", 600)
	d, code := s.run(t, []string{"BOSGC_BOS_ETCD_ENDPOINTS=http://127.0.0.1:1", "BOSGC_REQUEST_TIMEOUT=2s"}, "plan")
	source := d.Sources[slices.IndexFunc(d.Sources, func(s inventory.Source) bool { return s.Name == inventory.SourceSessions })]
	if code != gc.ExitIncomplete || d.List.From != collect.FromKubernetes || d.Summary.Delete == 0 || !strings.Contains(source.Error, "BOSGC_BOS_ETCD_ENDPOINTS") {
		t.Errorf("exit code %d, %+v, %+v; %s", code, d.List, d.Summary, source.Error)
	}
}

// Ghosts that only etcd shows are found, and removed through BOS.
func TestGhostsThatEtcdShows(t *testing.T) {
	s := start(t, "1.4", 600)
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{s.etcd.URL}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const ghost = "0f0e0d0c-0b0a-4908-8706-050403020100"
	if _, err := client.Put(t.Context(), "/session/"+ghost+"/status/compute", "\x80\x04left"); err != nil {
		t.Fatal(err)
	}
	d, code := s.run(t, []string{"BOSGC_BOS_ETCD_ENDPOINTS=" + s.etcd.URL}, "sweep", all)
	i := slices.IndexFunc(d.Objects, func(o gc.Object) bool { return o.Name == ghost })
	if code != gc.ExitDone || i < 0 || d.Objects[i].Reason != policy.Ghost || d.Objects[i].Outcome != gc.Deleted || d.Objects[i].FoundIn != "bos-etcd" {
		t.Fatalf("exit code %d, %+v, object %d", code, d.List, i)
	}
	answer, err := client.Get(t.Context(), "/session/"+ghost, clientv3.WithPrefix())
	if err != nil || len(answer.Kvs) != 0 {
		t.Errorf("%d keys are left, error %v", len(answer.Kvs), err)
	}
}

// The etcd of another BOS, or of an earlier one, is not trusted: what it lacks is no orphan.
func TestAnotherEtcdIsNotBelieved(t *testing.T) {
	s, other := start(t, "1.4", 600), start(t, "1.2", 600)
	d, code := s.run(t, []string{"BOSGC_BOS_ETCD_ENDPOINTS=" + other.etcd.URL, "BOSGC_ORPHAN_SIGHTINGS=1", "BOSGC_MAX_ORPHAN_PERCENT=100"}, "plan")
	source := d.Sources[slices.IndexFunc(d.Sources, func(s inventory.Source) bool { return s.Name == inventory.SourceSessions })]
	if code != gc.ExitIncomplete || !strings.Contains(source.Error, "is it the etcd of this BOS?") {
		t.Errorf("exit code %d, %s", code, source.Error)
	}
	for _, o := range d.Objects {
		if o.Reason.LooksOrphaned() {
			t.Errorf("%s %s: %s", o.Kind, o.Name, o.Detail)
		}
	}
}
