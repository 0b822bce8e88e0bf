package sweep

import "testing"

// What a host may be outside the cluster shows nothing: a BOS of another system is asked by such a name.
func TestNamesService(t *testing.T) {
	for address, want := range map[string]bool{
		"http://cray-bos":                                   true,
		"http://cray-bos:80/":                               true,
		"http://cray-bos.services":                          true,
		"http://cray-bos.services.svc":                      true,
		"http://cray-bos.services.svc.cluster.local":        true,
		"http://cray-bos.other":                             false,
		"https://api-gw-service-nmn.local/apis/bos":         false,
		"https://api.nmn.eniac.example.com/apis/bos":        false,
		"http://10.92.100.71":                               false,
		"http://[fd00::1]":                                  false,
		"http://localhost:8080":                             false,
		"http://cray-bos.services.svc.cluster.local.eniac.": false,
		"": false,
	} {
		if got := namesService(address, "services"); got != want {
			t.Errorf("%q: %v, want %v", address, got, want)
		}
	}
}
