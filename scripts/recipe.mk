# From recordings to models, by one recipe, for several seeds:
#
#     make -f scripts/recipe.mk -j2 DATA=… SPEECH=… WORK=…          trains; everything is chosen on validation speakers
#     make -f scripts/recipe.mk -j2 DATA=… SPEECH=… WORK=… test     reads the testing speakers, once, and prints a table
#
# DATA    a corpus in the layout of Speech Commands
# SPEECH  long recordings of speech without commands in the folders train, thresholds and those of FIGURES (figure), for
#         each of which false accepts are reported (scripts/join_speech.py and scripts/read_texts.py make them)
# OTHER   further recordings of single words and sounds for --extra, folders separated by commas
# WORK    a folder for the results: NAME-SEED.safetensors, NAME-SEED.onnx and what led to them
# CONFIG  settings of the training; SEEDS; TEACHERS: networks for --teachers, separated by commas; FLAGS: further flags
#         of `speech-lstm train`, such as --teacher-labels and --leave-out; EMBEDDER: a network for --embedder
#
# For each seed: train on all fifteen words, which tells other words apart better than eight do; mine what the network
# takes for a command in SPEECH/train; go on from there for each vocabulary, with these seconds as _unknown_ and taught by
# the first network too; mine again and go on once more, with as many other words as commands, which it learns to tell
# apart too; choose the decision on validation speakers and SPEECH/thresholds; export. What is there is not made again,
# and an interrupted training goes on. `make -n` shows the commands.

CONFIG ?= scripts/recipe.toml
SEEDS ?= 1 2 3
FIGURES ?= figure
TEACHERS ?=
FLAGS ?=
PYTHON ?= .venv/bin/python
RUN := $(PYTHON) -m speech_lstm
COMMA := ,
WORDS_commands8 := yes,no,up,down,left,right,stop,go
WORDS_commands15 := $(WORDS_commands8),zero,one,two,three,four,five,eight
NAMES ?= commands8 commands15
# The model for microcontrollers is of one direction and is taught by commands8: NAMES="commands8 small"
WORDS_small := $(WORDS_commands8)
BEFORE_small = $(WORK)/commands8-%.safetensors
AGAIN_small = --config scripts/small.toml --teachers $(WORK)/commands8-$*.safetensors
LAST_small := second
# Of the second training, which begins with the weights of the first: shorter, at a lower rate.
AGAIN = --start $(WORK)/first-$*/last.safetensors --epochs 10 --learning-rate 0.0008 --warmup 0.1 \
	--teachers $(TEACHERS:%=%$(COMMA))$(WORK)/first-$*/last.safetensors --teaching 0.8
# Of the third, which begins with the weights of the second, a vocabulary's: $(call further,NAME)
further = --start $(WORK)/second-$(1)-$*/last.safetensors --epochs 16 --learning-rate 0.0012 --warmup 0.08 \
	--unknown 100 --words 0.5 $(EMBEDDER:%=--embedder % --imitation 1.5) \
	--teachers $(TEACHERS:%=%$(COMMA))$(WORK)/second-$(1)-$*/last.safetensors --teaching 0.75
TAUGHT := $(TEACHERS:%=--teachers %)
MATERIAL = $(WORK)/words,$(WORK)/noises$(OTHER:%=$(COMMA)%)

$(foreach name,DATA SPEECH WORK,$(if $($(name)),,$(error $(name) is not given; the head of scripts/recipe.mk says what it is)))
$(foreach folder,$(DATA) $(SPEECH)/train $(SPEECH)/thresholds $(subst $(COMMA), ,$(OTHER)),$(if \
	$(wildcard $(folder)),,$(error $(folder) does not exist)))

export OMP_NUM_THREADS = 1
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: models test

models: $(foreach name,$(NAMES),$(foreach seed,$(SEEDS),$(WORK)/$(name)-$(seed).onnx))

$(WORK)/words:
	rm -rf $@.part
	$(PYTHON) scripts/make_speech.py --out $@.part --unknown 8000 --each 250
	mv $@.part $@

$(WORK)/further-words:
	rm -rf $@.part
	$(PYTHON) scripts/make_speech.py --out $@.part --unknown 8000 --each 0 --seed 2
	mv $@.part $@

$(WORK)/noises:
	rm -rf $@.part
	$(PYTHON) scripts/make_noise.py --out $@.part --count 2100
	mv $@.part $@

# $(call train,FOLDER,LABELS,EXTRA,FLAGS): a training, or the rest of one that was interrupted
train = if [ -e $(1)/state.safetensors ]; then $(RUN) train --out $(1) --resume; else rm -rf $(1) && \
	$(RUN) train --data $(DATA) --out $(1) --config $(CONFIG) --speech $(SPEECH)/train --labels $(2) --extra $(3) \
	$(4) $(FLAGS); fi

$(WORK)/first-%/summary.json: | $(WORK)/words $(WORK)/noises
	$(call train,$(@D),$(WORDS_commands15),$(MATERIAL),--seed $* $(TAUGHT))

# What the network of a training takes for a command in speech without commands
define mine
rm -rf $@ $@.part
$(RUN) mine $(<D)/last.safetensors $(SPEECH)/train --out $@.part --threshold 0.3
mv $@.part $@
endef

$(WORK)/mined-%: $(WORK)/first-%/summary.json
	$(mine)

# $(call vocabulary,NAME): the rules from the mined seconds to the models and figures of a vocabulary
define vocabulary
$$(WORK)/second-$(1)-%/summary.json: $$(WORK)/mined-% $$(BEFORE_$(1))
	$$(call train,$$(@D),$$(WORDS_$(1)),$$(MATERIAL)$$(COMMA)$$<,--seed $$* $$(or $$(AGAIN_$(1)),$$(AGAIN)))

$$(WORK)/mined-$(1)-%: $$(WORK)/second-$(1)-%/summary.json
	$$(mine)

$$(WORK)/third-$(1)-%/summary.json: $$(WORK)/mined-$(1)-% | $$(WORK)/further-words
	$$(call train,$$(@D),$$(WORDS_$(1)),$$(MATERIAL)$$(COMMA)$$(WORK)/further-words$$(COMMA)$$<,--seed $$* \
		$$(call further,$(1)))

$$(WORK)/$(1)-%.safetensors: $$(WORK)/$$(or $$(LAST_$(1)),third)-$(1)-%/summary.json
	$$(RUN) calibrate $$(<D)/last.safetensors --out $$@ --data $$(DATA) --hours 4 --snr-low-db 10 \
		--speech $$(SPEECH)/thresholds --false-accepts-per-hour 1 --stream-false-accepts-per-hour 20

$$(WORK)/$(1)-testing.wav:
	$$(RUN) make-stream --data $$(DATA) --out $$@ --words $$(WORDS_$(1)) --minutes 120 --snr-low-db 10

$$(WORK)/$(1)-%-testing.json: $$(WORK)/$(1)-%.safetensors
	$$(RUN) evaluate $$< --data $$(DATA) --words $$(WORDS_commands8) --json $$@ > $$(@:.json=.txt)

$(foreach figure,$(FIGURES),$(call stream_test,$(1),$(figure)))
endef

# $(call stream_test,NAME,FIGURE): the rule from the models of a vocabulary to false accepts in a folder of speech
define stream_test
$$(WORK)/$(1)-%-$(2).json: $$(WORK)/$(1)-%.safetensors $$(WORK)/$(1)-testing.wav
	$$(RUN) stream-test $$^ --speech $$(SPEECH)/$(2) --json $$@ > $$(@:.json=.txt)

endef
$(foreach name,$(NAMES),$(eval $(call vocabulary,$(name))))

$(WORK)/%.onnx: $(WORK)/%.safetensors
	$(RUN) export $< --out $@ --int8

RESULTS := $(foreach name,$(NAMES),$(foreach seed,$(SEEDS),$(WORK)/$(name)-$(seed)))
test: $(RESULTS:=-testing.json) $(foreach figure,$(FIGURES),$(RESULTS:=-$(figure).json))
	$(PYTHON) scripts/recipe_table.py --figures $(FIGURES) -- $(RESULTS)
