// Package bosetcd reads from BOS v1's own etcd which sessions exist, for when BOS cannot list them any more
// (docs/csm.md, "The list that hangs"). It only reads: keys, in pages, and the size of a few values.
package bosetcd

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const (
	// sessionPrefix is where BOS v1 stores its sessions. Session templates are below /sessionTemplate/.
	sessionPrefix = "/session/"
	// pageKeys is the number of keys in a page: about 200 KB, a twentieth of what makes BOS hang.
	pageKeys = 2000
	// maxRestarts is how often reading starts again because etcd has compacted the revision that it started with.
	// BOS's etcd compacts after a number of changes (100,000), so even one restart is rare.
	maxRestarts = 3
	// sampleSize is the number of sessions whose values are read. It is enough to meet the few percent of sessions that
	// have most of a system's nodes, and it is a tenth of what etcd would send for the list when that begins to hang.
	sampleSize = 100
	// keyOverhead is what an answer of etcd has for each key besides key and value, in bytes: three revisions, and four
	// lengths with their tags.
	keyOverhead = 24
)

// Options configures a Reader.
type Options struct {
	Endpoints    []string // URLs; at least one
	CAFile       string
	CertFile     string // of this client; together with KeyFile
	KeyFile      string
	User         string
	PasswordFile string
	Timeout      time.Duration // of one request
}

// Reader reads the keys of one etcd.
type Reader struct {
	options  Options
	pageKeys int64
}

// New returns a Reader. It sends nothing and reads no file: passwords and certificates change, and each Read needs the
// current ones.
func New(o Options) *Reader { return &Reader{options: o, pageKeys: pageKeys} }

// Keys describes the keys below /session/ at one revision of etcd.
type Keys struct {
	// Sessions are the IDs, sorted and without duplicates. BOS makes its list from the same keys, so ghosts are among
	// them.
	Sessions []string
	Count    int // number of keys
	// Bytes is an upper estimate of what etcd would have to send for BOS's list. Keys are counted; the values are
	// estimated from a sample of sessions, plus three standard deviations.
	Bytes    int64
	Requests int // that were sent to etcd
}

// Read returns all keys or an error. Each page is a linearizable read (etcd's default), which a majority of the members
// confirms: a member that is cut off from the others may have old keys.
func (r *Reader) Read(ctx context.Context) (Keys, error) {
	client, err := r.connect(ctx)
	if err != nil {
		return Keys{}, fmt.Errorf("BOS's etcd (BOSGC_BOS_ETCD_ENDPOINTS %s): %w", r.endpoints(), err)
	}
	defer func() { _ = client.Close() }() // only what was read counts
	var found Keys
	for restarts := 0; ; restarts++ {
		err = r.readRevision(ctx, client, &found)
		// Pages from before and after a compaction do not show the keys of any one moment, so reading starts again.
		if !errors.Is(err, rpctypes.ErrCompacted) || restarts == maxRestarts {
			break
		}
	}
	if err != nil {
		return Keys{Requests: found.Requests},
			fmt.Errorf("BOS's etcd (BOSGC_BOS_ETCD_ENDPOINTS %s) could not be read: %w", r.endpoints(), err)
	}
	return found, nil
}

func (r *Reader) endpoints() string { return strings.Join(r.options.Endpoints, ",") }

func (r *Reader) connect(ctx context.Context) (*clientv3.Client, error) {
	config := clientv3.Config{
		Endpoints: r.options.Endpoints, DialTimeout: r.options.Timeout, Context: ctx,
		Logger: zap.NewNop(), // what it would log also comes back as an error
	}
	if strings.HasPrefix(r.options.Endpoints[0], "https://") {
		var err error
		if config.TLS, err = r.tlsConfig(); err != nil {
			return nil, err
		}
	}
	if r.options.User != "" {
		password, err := os.ReadFile(r.options.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("BOSGC_BOS_ETCD_PASSWORD_FILE: %w", err)
		}
		config.Username, config.Password = r.options.User, strings.TrimSpace(string(password))
		if config.Password == "" { // without a password the client would not authenticate at all
			return nil, fmt.Errorf("BOSGC_BOS_ETCD_PASSWORD_FILE %s is empty; expected the password of %s",
				r.options.PasswordFile, r.options.User)
		}
	}
	return clientv3.New(config)
}

func (r *Reader) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.options.CAFile != "" {
		pem, err := os.ReadFile(r.options.CAFile)
		if err != nil {
			return nil, fmt.Errorf("BOSGC_BOS_ETCD_CA_FILE: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("BOSGC_BOS_ETCD_CA_FILE %s has no certificate in PEM form", r.options.CAFile)
		}
	}
	if r.options.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(r.options.CertFile, r.options.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("BOSGC_BOS_ETCD_CERT_FILE, BOSGC_BOS_ETCD_KEY_FILE: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// get sends one request with a deadline of its own: without one, the client retries for ever if etcd is down.
func (r *Reader) get(
	ctx context.Context, client *clientv3.Client, found *Keys, key string, options ...clientv3.OpOption,
) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	found.Requests++
	answer, err := client.Get(ctx, key, options...)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s (BOSGC_REQUEST_TIMEOUT): %w", r.options.Timeout, err)
	}
	return answer, err
}

// readRevision reads page after page, all at the revision of the first.
//
// For each page etcd counts all keys from the page's first key to the end of the requested range. With half a million
// keys this takes longer than reading the page. So the pages after the first request only the rest of a section.
func (r *Reader) readRevision(ctx context.Context, client *clientv3.Client, found *Keys) error {
	*found = Keys{Requests: found.Requests, Sessions: []string{}}
	from, end := sessionPrefix, clientv3.GetPrefixRangeEnd(sessionPrefix)
	var revision, total, keyBytes int64
	for until := end; from < end; {
		page, err := r.get(ctx, client, found, from, clientv3.WithRange(until),
			clientv3.WithKeysOnly(), clientv3.WithLimit(r.pageKeys), clientv3.WithRev(revision))
		if err != nil {
			return err
		}
		if revision == 0 {
			revision, total = page.Header.Revision, page.Count
		}
		keyBytes += found.add(page)
		if page.More && len(page.Kvs) > 0 {
			from = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
		} else {
			from = until
		}
		if total > int64(len(sectionStarts))*r.pageKeys {
			until = sectionEnd(from, end)
		}
	}
	if int64(found.Count) != total {
		return fmt.Errorf("it has %d keys below %s, and gave %d", total, sessionPrefix, found.Count)
	}
	// Keys that are sorted are not sorted by ID: the slash behind an ID sorts after a dash.
	slices.Sort(found.Sessions)
	found.Sessions = slices.Compact(found.Sessions)
	valueBytes, err := r.estimateValues(ctx, client, found, revision)
	found.Bytes = keyBytes + valueBytes
	return err
}

// add adds the keys of a page and returns their size in an answer of etcd.
func (k *Keys) add(page *clientv3.GetResponse) (size int64) {
	for _, kv := range page.Kvs {
		k.Count++
		size += int64(len(kv.Key)) + keyOverhead
		id := sessionID(kv.Key)
		// Most keys of a session follow each other.
		repeated := len(k.Sessions) > 0 && k.Sessions[len(k.Sessions)-1] == id
		if id != "" && !repeated {
			k.Sessions = append(k.Sessions, id)
		}
	}
	return size
}

// sectionStarts are the digits with which all sections but the first begin. The first digits of IDs are evenly
// distributed.
const sectionStarts = "123456789abcdef"

// sectionEnd returns the end of the section that the key from is in.
func sectionEnd(from, end string) string {
	for _, digit := range sectionStarts {
		if border := sessionPrefix + string(digit); from < border {
			return border
		}
	}
	return end
}

// sessionID returns the ID in a key, cut out of it in the same way as BOS does.
func sessionID(key []byte) string {
	id, _, _ := bytes.Cut(bytes.TrimPrefix(key, []byte(sessionPrefix)), []byte("/"))
	return string(id)
}

// estimateValues estimates the size of all values from a sample of sessions at equal distances. IDs are random, so
// their order is as good as a random draw. A few sessions with many nodes among many small ones make the mean
// uncertain, and the estimate larger.
func (r *Reader) estimateValues(
	ctx context.Context, client *clientv3.Client, found *Keys, revision int64,
) (int64, error) {
	total := len(found.Sessions)
	n := min(total, sampleSize)
	if n == 0 {
		return 0, nil
	}
	var sum, squares float64
	for i := range n {
		prefix := sessionPrefix + found.Sessions[i*total/n] + "/"
		answer, err := r.get(ctx, client, found, prefix, clientv3.WithPrefix(), clientv3.WithRev(revision))
		if err != nil {
			return 0, err
		}
		size := 0.0
		for _, kv := range answer.Kvs {
			size += float64(len(kv.Value))
		}
		sum += size
		squares += size * size
	}
	mean := sum / float64(n)
	deviation := 0.0 // of the mean; none if all sessions were read
	if n < total {
		deviation = math.Sqrt(max(0, squares/float64(n)-mean*mean) / float64(n-1))
	}
	return int64(float64(total) * (mean + 3*deviation)), nil
}
