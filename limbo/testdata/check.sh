# Loaded before each script: checks that print ok, or what is wrong.
load std
load expr
fn is {
	if {~ $2 $3} {echo ok $1} {echo WRONG $1: got $2, want $3}
}
fn isnt {
	if {~ $2 $3} {echo WRONG $1: got $2} {echo ok $1}
}
# has NAME WORD TEXT
fn has {
	if {echo $3 | grep -s $2} {echo ok $1} {echo WRONG $1: no $2 in $3}
}
# succeeds NAME {COMMAND}, fails NAME {COMMAND}
fn succeeds {
	if {$2} {echo ok $1} {echo WRONG $1: $status}
}
fn fails {
	if {$2 >[2] /dev/null} {echo WRONG $1 succeeds} {echo ok $1}
}
