package ninep

import "testing"

func TestSession(t *testing.T) {
	w := dial(t, nil).start()
	w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:hello", "Rwalk tag 1 nwqid 1*")
	w.do("Topen tag 1 fid 1 mode 0", "Ropen tag 1*")
	w.do("Tread tag 1 fid 1 offset 0 count 100", "Rread tag 1 count 13 \"hello, world\\n\"")
	w.do("Tclunk tag 1 fid 1", "Rclunk tag 1")
	if err := w.end(); err != nil {
		t.Error(err)
	}
}
