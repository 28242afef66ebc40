package styxfs

// PathSession gives the number of the session that a qid.path of a tree is
// of: its directory, a file in it, or a last that leads to it. It is that of
// no session for the server's own files.
func PathSession(path uint64) uint64 {
	if path>>63 != 0 {
		return 0
	}
	return path / pathsEach
}
