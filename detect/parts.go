package detect

// Parts of a judgement that an evaluation may leave out to see what each is
// good for. Nothing else should.
type Parts uint8

// The parts.
const (
	PartNodes      Parts = 1 << iota // the check whether a node explains it
	PartNeighbours                   // what callers and callees see
	PartTime                         // that a change must begin at the release, where nothing old is left to compare with
)

func (d *Detector) leaves(p Parts) bool { return d.opt.Leave&p != 0 }
