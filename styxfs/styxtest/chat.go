package styxtest

import (
	"strings"

	"llama9/ninep"
	"llama9/styxfs"
)

func line(role, content string) string {
	return string(styxfs.AppendMessage(nil, &styxfs.Message{Role: role, Content: content}))
}

// testConversation: turns go on from one another.
func testConversation(s *suite) {
	ss := s.dial(userA).session("n_predict 6", "ignore_eos on")
	one := ss.ask("One")
	two := ss.ask("Two")
	s.same("chat", ss.get("chat"), line("user", "One")+line("assistant", one)+line("user", "Two")+line("assistant", two))
	ss.has("turn", "2")
}

// testChat: the conversation as it is written, and generate on it.
func testChat(s *suite) {
	ss := s.dial(userA).session("n_predict 6", "ignore_eos on")
	given := line("system", "Be <brief> & \"kind\".") + line("user", "One\ntwo") + line("assistant", "Three")
	ss.put("chat", given)
	s.same("chat", ss.get("chat"), given)
	for _, bad := range []string{`{"role":"king","content":"x"}`, `{"role":"user"}`, `{"role":"user","content":5}`, `word`} {
		f := ss.file("chat", ninep.OWRITE)
		if _, err := f.WriteAt(s.ctx, []byte(line("user", "good")+bad+"\n"), 0); err == nil {
			s.Errorf("%s was taken", bad)
		}
		f.Close(s.ctx)
		if ss.status()["error"] == "" {
			s.Errorf("%s: no error in status", bad)
		}
	}
	s.same("chat after bad lines", ss.get("chat"), given)
	// The last message is the assistant's: it is continued.
	ss.put("ctl", "generate")
	out := ss.get("out")
	s.same("continued", ss.get("chat"), strings.Replace(given, `"Three"`, strings.TrimSuffix(strings.TrimPrefix(line("assistant", "Three"+out), `{"role":"assistant","content":`), "}\n"), 1))
	// Written without OTRUNC it is appended to; the clunk may come late.
	f := ss.file("chat", ninep.OWRITE)
	f.WriteAt(s.ctx, []byte(strings.TrimSuffix(line("user", "Four"), "\n")), 0)
	ss.put("ctl", "generate")
	out = ss.get("out")
	f.Close(s.ctx)
	if chat := ss.get("chat"); !strings.HasSuffix(chat, line("user", "Four")+line("assistant", out)) {
		s.Fatalf("chat is %s", chat)
	}
	// A last line that is not whole fails the next turn, and that one only.
	ss.put("chat", line("user", "One")+`{"role":"us`)
	if ss.status()["error"] == "" {
		s.Fatal("a broken last line is no error")
	}
	ss.put("ctl", "generate")
	if _, err := ss.tryRead(ss.dir + "/out"); err == nil {
		s.Fatal("the turn did not fail")
	}
	ss.has("state", "failed")
	ss.put("ctl", "generate")
	ss.get("out")
	ss.has("state", "done")
}

// testFork: fork copies settings and conversation, reset forgets the latter.
func testFork(s *suite) {
	c := s.dial(userA)
	a := c.session("n_predict 6", "ignore_eos on", "temperature 0.5")
	a.put("system", "Be brief.")
	a.ask("One")
	b := c.session()
	b.put("ctl", "fork "+strings.TrimPrefix(a.dir, "infer/"))
	s.same("chat", b.get("chat"), a.get("chat"))
	s.same("ctl", b.get("ctl"), a.get("ctl"))
	s.same("system", b.get("system"), a.get("system"))
	b.ask("Two")
	if strings.Count(a.get("chat"), "\n") != 2 || strings.Count(b.get("chat"), "\n") != 4 {
		s.Fatalf("the two share a conversation: %s and %s", a.get("chat"), b.get("chat"))
	}
	b.put("ctl", "reset")
	s.same("chat", b.get("chat"), "")
	s.same("system", b.get("system"), "Be brief.")
	b.ask("Three")
	b.refuses("ctl", "fork 99999999999", "99999999999")
}
