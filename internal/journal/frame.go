package journal

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// window is how far back the compression sees, in bytes. The ConfigMaps of two boots of the same nodes are nearly equal,
// and each has 100 KB where there are 6,000 nodes, so the window has to have the one before: a thousand objects of such
// a machine are 0.2 MB, and 6.8 MB with the 32 KB of gzip. A larger window takes more memory for little.
const window = 2 << 20

// flushAt is how many bytes are collected before they are compressed as one block. Blocks of single lines are larger.
const flushAt = 128 << 10

// frame is the zstd frame of one chunk. It grows: what was compressed before stays as it is, and only what is new is
// compressed.
type frame struct {
	encoder   *zstd.Encoder
	blocks    bytes.Buffer
	sum       *xxhash.Digest // of all lines
	raw       int            // size of all lines
	unflushed int            // size of those that are in no block yet
}

func newEncoder() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true))
}

// newFrame begins a frame. The encoder works on one frame at a time.
func newFrame(encoder *zstd.Encoder) *frame {
	f := &frame{encoder: encoder, sum: xxhash.New()}
	encoder.Reset(&f.blocks)
	return f
}

func (f *frame) add(piece []byte) error {
	_, _ = f.sum.Write(piece) // never fails
	f.raw += len(piece)
	f.unflushed += len(piece)
	if _, err := f.encoder.Write(piece); err != nil {
		return fmt.Errorf("compress the journal: %w", err)
	}
	if f.unflushed >= flushAt {
		return f.flush()
	}
	return nil
}

func (f *frame) flush() error {
	if err := f.encoder.Flush(); err != nil {
		return fmt.Errorf("compress the journal: %w", err)
	}
	f.unflushed = 0
	return nil
}

// maxSize returns the size that the body has at most, in bytes: what is not compressed yet may not get smaller.
func (f *frame) maxSize() int { return f.blocks.Len() + f.unflushed }

// body returns the frame as it would be if it ended here: with an empty last block, and the checksum of all lines.
// The frame itself goes on, so that a later body begins with the same blocks.
func (f *frame) body() ([]byte, error) {
	if err := f.flush(); err != nil {
		return nil, err
	}
	lastBlock := []byte{1, 0, 0} // RFC 8878, 3.1.1.2: the last one, raw, of 0 bytes
	body := append(bytes.Clone(f.blocks.Bytes()), lastBlock...)
	return binary.LittleEndian.AppendUint32(body, uint32(f.sum.Sum64())), nil
}

// decompress returns the lines of a chunk, or with an error as much of them as can be read. limit bounds them, in bytes.
func decompress(body []byte, former bool, limit int) (lines []byte, err error) {
	var r io.Reader
	if former {
		r, err = gzip.NewReader(bytes.NewReader(body))
	} else {
		var decoder *zstd.Decoder
		decoder, err = zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(window),
			zstd.WithDecoderLowmem(true))
		if err == nil {
			defer decoder.Close()
			r = decoder
		}
	}
	if err != nil {
		return nil, err
	}
	lines, err = io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case len(lines) > limit:
		return nil, fmt.Errorf("it comes to more than %d bytes", limit)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, zstd.ErrMagicMismatch) && len(lines) > 0:
		return lines, errors.New("something follows its end")
	case err == nil && len(body) == 0:
		return nil, errors.New("it is empty")
	}
	return lines, err
}
