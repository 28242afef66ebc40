package styxfs

// A Store keeps records across restarts: sessions, what they are set to, and
// the tokens that their turns make. package journal has one. Its methods are
// called from several goroutines at once, but for Load.
type Store interface {
	// Load gives every record that is kept, in order. It is called once,
	// before all else. each must not keep rec; its error is Load's, with
	// where the record is.
	Load(each func(rec []byte) error) error
	// Append adds records. They are there after the end of the process,
	// all or none, however it ends. It waits for no disk.
	Append(recs ...[]byte) error
	// Sync makes what was appended last through a loss of power.
	Sync() error
	// Due says whether it is time for Compact.
	Due() bool
	// Compact drops what was appended before; write appends anew what of
	// that still counts, while others go on appending.
	Compact(write func() error) error
}
