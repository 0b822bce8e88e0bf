package release

import (
	"encoding/json"
	"strings"
	"testing"
)

// The program in an image is compiled in the Dockerfile, apart from the one in the archives. Both have
// the same bytes, so the build depends on nothing but the source.
func TestImagesHoldTheProgramOfTheArchives(t *testing.T) {
	r := open(t)
	for _, arch := range []string{"amd64", "arm64"} {
		blobs := untar(t, r.read(t, r.name("image_linux", arch)+".tar"))
		type descriptor struct{ Digest string }
		var index struct{ Manifests []descriptor }
		var manifest struct {
			Config descriptor
			Layers []descriptor
		}
		var config struct {
			Architecture string
			OS           string
			Config       struct{ Labels map[string]string }
		}
		blob := func(d descriptor) []byte { return blobs["blobs/"+strings.Replace(d.Digest, ":", "/", 1)] }
		decode := func(content []byte, into any) {
			t.Helper()
			if err := json.Unmarshal(content, into); err != nil {
				t.Fatal(err)
			}
		}
		decode(blobs["index.json"], &index)
		if len(index.Manifests) != 1 {
			t.Fatalf("%s: the archive has %d images, expected one", arch, len(index.Manifests))
		}
		decode(blob(index.Manifests[0]), &manifest)
		decode(blob(manifest.Config), &config)
		if said := config.Config.Labels["org.opencontainers.image.version"]; config.OS != "linux" || config.Architecture != arch || said != r.version {
			t.Errorf("%s: the image is for %s/%s and of version %q", arch, config.OS, config.Architecture, said)
		}

		inImage := ""
		for _, layer := range manifest.Layers {
			if program, ok := untar(t, gunzip(t, blob(layer)))["usr/local/bin/bosgc"]; ok {
				inImage = sum(program)
			}
		}
		program, _ := r.program(t, "linux", arch)
		if inImage != sum(program) {
			t.Errorf("%s: the program in the image has the sum %q, the one in the archive %s", arch, inImage, sum(program))
		}
	}
}
