// linear reads what clients did to the slots of some exams, and says for each exam whether the answers are linearizable: whether they
// could have been given by one clerk who serves one request after the other, each between its sending and its answer.
//
//	linear FILE      one operation a line, as integration/faults/linear.py writes them
//
// It prints one JSON object. Exit 0: every exam is linearizable; 1: some exam is not, or was not decided in time; 2: bad input.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	operationsMax = 2000
	examSeconds   = 60
)

// operation is one command, from its first sending to its answer.
type operation struct {
	Exam        string `json:"exam"`
	Slot        string `json:"slot"`  // What it is about; of a reservation: any slot of its exam.
	Seats       int    `json:"seats"` // Of the slot, when it was opened.
	To          string `json:"to"`    // Where a seat is moved to.
	ToSeats     int    `json:"to_seats"`
	Student     string `json:"student"`     // Whose seat it is about; empty: nobody's.
	Kind        string `json:"kind"`        // The end of its path; with "slot-" where it begins something in a slot, or changes one.
	Reservation string `json:"reservation"` // What it is about; what was made.
	Capacity    int    `json:"capacity"`
	Priority    int    `json:"priority"`
	CallNs      int64  `json:"call_ns"`
	ReturnNs    int64  `json:"return_ns"` // 0: no answer ever came.
	Result      string `json:"result"`    // yes, a problem's name, or empty: not known.
}

// history is what happened to one exam.
type history struct {
	operations   []porcupine.Operation
	slots        map[string]int
	students     map[string]int
	reservations map[string]int
	begins       exam
	unknown      int
}

// model is the clerk, in model.go.
func (h *history) model() porcupine.Model {
	model := porcupine.NondeterministicModel{
		Init: func() []interface{} { return []interface{}{h.begins} },
		Step: func(state, in, out interface{}) []interface{} { return step(state.(exam), in.(input), out.(string)) },
		DescribeOperation: func(in, out interface{}) string {
			return fmt.Sprintf("%+v -> %q", in.(input), out)
		},
	}
	return model.ToModel()
}

func number(numbers map[string]int, name string) int {
	if _, known := numbers[name]; !known {
		numbers[name] = len(numbers) + 1
	}
	return numbers[name]
}

// slot gives the number of a slot, with the seats that it had when it was opened; -1: the operation is about none.
func (h *history) slot(name string, seats int) int {
	if name == "" {
		return -1
	}
	i := number(h.slots, name) - 1
	if i < slotsMax {
		h.begins.slots[i].capacity = int16(seats)
	}
	return i
}

func (h *history) add(op operation, last int64) error {
	if op.ReturnNs == 0 { // It may still happen.
		op.ReturnNs = last + 1
		h.unknown++
	}
	in := input{
		kind: op.Kind, slot: h.slot(op.Slot, op.Seats), to: h.slot(op.To, op.ToSeats), reservation: someSeat,
		capacity: int16(op.Capacity), priority: int16(op.Priority),
	}
	if op.Student != "" {
		in.student = number(h.students, op.Student) - 1
	}
	if op.Reservation != "" {
		in.reservation = int16(number(h.reservations, op.Reservation))
	}
	if len(h.slots) > slotsMax || len(h.students) > studentsMax {
		return fmt.Errorf("exam %s has more than %d slots or %d students", op.Exam, slotsMax, studentsMax)
	}
	h.operations = append(h.operations, porcupine.Operation{
		ClientId: in.student, Input: in, Call: op.CallNs, Output: op.Result, Return: op.ReturnNs,
	})
	return nil
}

func read(path string) (map[string]*history, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var all []operation
	var last int64
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var op operation
		if err := json.Unmarshal(lines.Bytes(), &op); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(all)+1, err)
		}
		for _, at := range []int64{op.CallNs, op.ReturnNs} {
			if at > last {
				last = at
			}
		}
		all = append(all, op)
	}
	histories := map[string]*history{}
	for _, op := range all {
		if histories[op.Exam] == nil {
			histories[op.Exam] = &history{slots: map[string]int{}, students: map[string]int{}, reservations: map[string]int{}}
		}
		h := histories[op.Exam]
		if len(h.operations) == operationsMax {
			return nil, fmt.Errorf("exam %s has more than %d operations", op.Exam, operationsMax)
		}
		if err := h.add(op, last); err != nil {
			return nil, err
		}
	}
	return histories, lines.Err()
}

type report struct {
	Exams      int      `json:"exams"`
	Operations int      `json:"operations"`
	Unknown    int      `json:"unknown"`  // Operations without an answer.
	Violated   []string `json:"violated"` // Exams.
	Undecided  []string `json:"undecided"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "linear FILE")
		os.Exit(2)
	}
	histories, err := read(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "linear:", err)
		os.Exit(2)
	}
	said := report{Exams: len(histories), Violated: []string{}, Undecided: []string{}}
	for exam, h := range histories {
		said.Operations += len(h.operations)
		said.Unknown += h.unknown
		switch porcupine.CheckOperationsTimeout(h.model(), h.operations, examSeconds*time.Second) {
		case porcupine.Illegal:
			said.Violated = append(said.Violated, exam)
		case porcupine.Unknown:
			said.Undecided = append(said.Undecided, exam)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		os.Exit(2)
	}
	if len(said.Violated)+len(said.Undecided) > 0 {
		os.Exit(1)
	}
}
