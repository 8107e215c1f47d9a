// One sentence for each term of the page, in English and Czech.

const TERMS = {
  en: {
    frame: ["frame", "A short stretch of the sound; the network reads one after another, and after each it could answer."],
    waveform: ["waveform", "The sound itself: how the air pressure goes up and down."],
    features: ["MFCC, log-mel", "What the network reads of each frame: how strong the low and the high tones are, on a scale like that of the ear."],
    ends: ["answer", "The answer that the network would give if the sound ended here."],
    needed: ["needed", "What the answer loses when 100 ms around a moment are hidden."],
    depends: ["depends on", "How much the output of the chosen frame changes when 100 ms around a moment are hidden."],
    unit: ["unit", "One cell of a layer, with a memory and gates of its own; it is a row of every map."],
    layer: ["layer", "Units that read the same input: in the first layer the sound, in every other layer the outputs of the one below."],
    direction: ["direction", "Forward units read the sound from its beginning to its end, backward units from its end to its beginning."],
    "forget gate": ["forget gate", "The share of its memory that a unit keeps in this frame: 1 is all, 0 is nothing."],
    "input gate": ["input gate", "The share of the candidate that a unit writes into its memory."],
    "output gate": ["output gate", "The share of its memory that a unit shows to the others."],
    "update gate": ["update gate", "Divides the state of a unit between old and new: what is not kept is replaced."],
    "reset gate": ["reset gate", "The share of the old state that the candidate may use."],
    "depth gate": ["depth gate", "The share of the memory of the layer below that is added."],
    candidate: ["candidate", "What could be written into the memory in this frame."],
    memory: ["memory", "What a unit remembers from frame to frame; only its gates change it."],
    output: ["output", "What a unit passes on to the other units and to the next layer."],
    "hidden state": ["hidden state", "Memory and output in one."],
    clock: ["clock", "1 in the frames in which the unit computes something new."],
    sum: ["W·x, U·h⁻, b", "The parts that a gate adds up: from the input now, from all outputs a frame ago, and a constant."],
    squash: ["σ, tanh", "Functions that squeeze any number: σ between 0 and 1, tanh between −1 and 1."],
    life: ["half-life", "The time in which a memory falls to half, if its forget gate goes on as in this sound."],
    others: ["_unknown_, _silence_", "The answers for a word that the model does not know, and for no word."],
  },
  cs: {
    frame: ["rámec", "Krátký úsek zvuku; síť čte jeden po druhém a po každém by mohla odpovědět."],
    waveform: ["průběh zvuku", "Zvuk sám: jak tlak vzduchu stoupá a klesá."],
    features: ["MFCC, log-mel", "Co síť z každého rámce čte: jak silné jsou hluboké a vysoké tóny, na stupnici podobné sluchu."],
    ends: ["odpověď", "Odpověď, kterou by síť dala, kdyby zvuk skončil zde."],
    needed: ["potřebné", "Kolik odpověď ztratí, když se skryje 100 ms kolem okamžiku."],
    depends: ["závisí na", "Jak se změní výstup zvoleného rámce, když se skryje 100 ms kolem okamžiku."],
    unit: ["jednotka", "Jedna buňka vrstvy s vlastní pamětí a branami; v každé mapě je jedním řádkem."],
    layer: ["vrstva", "Jednotky, které čtou stejný vstup: v první vrstvě zvuk, v každé další výstupy vrstvy pod ní."],
    direction: ["směr", "Jednotky vpřed čtou zvuk od začátku do konce, jednotky vzad od konce do začátku."],
    "forget gate": ["zapomínací brána", "Díl paměti, který si jednotka v tomto rámci ponechá: 1 je vše, 0 nic."],
    "input gate": ["vstupní brána", "Díl kandidáta, který jednotka zapíše do paměti."],
    "output gate": ["výstupní brána", "Díl paměti, který jednotka ukáže ostatním."],
    "update gate": ["obnovovací brána", "Dělí stav jednotky na starý a nový: co se neponechá, to se nahradí."],
    "reset gate": ["nulovací brána", "Díl starého stavu, který smí kandidát použít."],
    "depth gate": ["brána hloubky", "Díl paměti vrstvy pod ní, který se přičte."],
    candidate: ["kandidát", "Co by se v tomto rámci dalo zapsat do paměti."],
    memory: ["paměť", "Co si jednotka pamatuje od rámce k rámci; mění to jen její brány."],
    output: ["výstup", "Co jednotka předá ostatním jednotkám a další vrstvě."],
    "hidden state": ["skrytý stav", "Paměť a výstup v jednom."],
    clock: ["hodiny", "1 v rámcích, ve kterých jednotka počítá něco nového."],
    sum: ["W·x, U·h⁻, b", "Části, které brána sečte: ze vstupu teď, ze všech výstupů před rámcem a stálá hodnota."],
    squash: ["σ, tanh", "Funkce, které stlačí každé číslo: σ mezi 0 a 1, tanh mezi −1 a 1."],
    life: ["poločas", "Doba, za kterou paměť klesne na polovinu, jde-li zapomínací brána dál jako v tomto zvuku."],
    others: ["_unknown_, _silence_", "Odpovědi pro slovo, které model nezná, a pro žádné slovo."],
  },
};

/** All terms of a language: [name, sentence] each. */
export const terms = (language) => Object.values(TERMS[language]);

/** The sentence of a strip: by its key, or by the role of the value that it shows, in English; "" if there is none. */
export function sentence(language, key) {
  const place = Object.keys(TERMS.en).find((term) => key === term || key.startsWith(`${term} `) || key.startsWith(`${term}, `) || key.startsWith(`${term}:`));
  return place ? TERMS[language][place][1] : "";
}
