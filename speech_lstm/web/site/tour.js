// The guided tour: each step a sentence, one thing to try and a question with its answer, along the lecture.

/** The steps; `state` is what "try" sets. Gates are named as in the LSTM. */
export const STEPS = [
  {
    state: { model: "first", beside: "", sound: "stop", hold: "", lit: false },
    en: {
      title: "A sound becomes an answer",
      text: "The network reads a sound frame by frame, 20 ms at a time, and after each frame it could give an answer.",
      try: "Look at “stop”", question: "From which frame on is the answer sure?",
      answer: "Where the coloured line in the strip “answer” stays near the top. Before that, other words are still possible.",
    },
    cs: {
      title: "Ze zvuku je odpověď",
      text: "Síť čte zvuk po rámcích, po 20 ms, a po každém z nich by mohla odpovědět.",
      try: "Podívat se na „stop“", question: "Od kterého rámce je odpověď jistá?",
      answer: "Tam, kde barevná čára v pruhu „odpověď“ zůstane nahoře. Předtím jsou ještě možná jiná slova.",
    },
  },
  {
    state: { model: "rnn", beside: "", sound: "stop", gate: "h", hold: "", lit: false },
    en: {
      title: "A network with a memory, unfolded",
      text: "The plain recurrent network adds what it hears now (W·x) to what it said a step ago (U·h⁻), with the same weights at every frame.",
      try: "Show the plain network", question: "What decides the output of this unit here, the sound or the past?",
      answer: "Compare W·x and U·h⁻ in the middle box: the larger of the two decides. Step with ← and → and see how it changes.",
    },
    cs: {
      title: "Síť s pamětí, rozvinutá",
      text: "Prostá rekurentní síť sečte, co slyší teď (W·x), a co řekla o krok dříve (U·h⁻), v každém rámci stejnými vahami.",
      try: "Ukázat prostou síť", question: "Co zde rozhoduje o výstupu jednotky, zvuk, nebo minulost?",
      answer: "Porovnejte W·x a U·h⁻ v prostředním rámečku: rozhoduje větší z nich. Krokujte šipkami ← a → a sledujte, jak se to mění.",
    },
  },
  {
    state: { model: "lstm", beside: "", sound: "stop", gate: "c", hold: "", lit: false },
    en: {
      title: "The cell and its two lines",
      text: "The LSTM has a long-term line c along the top, which nothing but a product and a sum touches, and a short-term line h along the bottom.",
      try: "Show the LSTM", question: "Where on the top line is there a weight or an activation function?",
      answer: "Nowhere: from c⁻ to c there is one product with f and one sum. That is why a gradient can travel far along it.",
    },
    cs: {
      title: "Buňka a její dvě čáry",
      text: "LSTM má nahoře dlouhodobou čáru c, které se dotkne jen jeden součin a jeden součet, a dole krátkodobou čáru h.",
      try: "Ukázat LSTM", question: "Kde je na horní čáře váha nebo aktivační funkce?",
      answer: "Nikde: od c⁻ k c vede jeden součin s f a jeden součet. Proto po ní gradient dojde daleko.",
    },
  },
  {
    state: { model: "lstm", beside: "", sound: "stop", gate: "f", lit: true, hold: "0", scope: "all", from: 0, to: -1 },
    en: {
      title: "The forget gate",
      text: "The forget gate f says which share of the memory is kept: 1 is all, 0 is nothing.",
      try: "Forget at once: hold f at 0", question: "What is left of the memory, and of the answer?",
      answer: "c is now only what this frame writes (i · z). Compare the grey and the coloured bars of the answer.",
    },
    cs: {
      title: "Brána zapomínání",
      text: "Brána zapomínání f říká, jaký díl paměti zůstane: 1 vše, 0 nic.",
      try: "Hned zapomenout: držet f na 0", question: "Co zbude z paměti a z odpovědi?",
      answer: "c je teď jen to, co zapíše tento rámec (i · z). Porovnejte šedé a barevné pruhy odpovědi.",
    },
  },
  {
    state: { model: "lstm", beside: "", sound: "yes", gate: "i", lit: true, hold: "1", scope: "all", from: 0, to: -1 },
    en: {
      title: "The input gate",
      text: "The candidate z says what could be written, and the input gate i says how much of it is.",
      try: "Write everything: hold i at 1", question: "Why is it bad to write everything?",
      answer: "Every frame then overwrites what was remembered, noise included. The answer shows what that costs here; “stop” bears it.",
    },
    cs: {
      title: "Vstupní brána",
      text: "Kandidát z říká, co by se dalo zapsat, vstupní brána i, kolik z toho se zapíše.",
      try: "Zapsat vše: držet i na 1", question: "Proč je špatné zapsat vše?",
      answer: "Každý rámec pak přepíše, co si síť pamatovala, i šumem. Kolik to zde stojí, ukáže odpověď; „stop“ to snese.",
    },
  },
  {
    state: { model: "lstm", beside: "", sound: "stop", gate: "o", lit: true, hold: "0", scope: "unit", from: 0, to: -1 },
    en: {
      title: "The output gate",
      text: "The output gate o says how much of the memory the rest of the network gets to see.",
      try: "Silence one unit: hold its o at 0", question: "Does the unit forget, too?",
      answer: "Its output h is 0, but its memory c lives on: other units no longer hear it, and only therefore do their gates change.",
    },
    cs: {
      title: "Výstupní brána",
      text: "Výstupní brána o říká, kolik z paměti uvidí zbytek sítě.",
      try: "Umlčet jednu jednotku: držet její o na 0", question: "Jednotka také zapomene?",
      answer: "Její výstup h je 0, ale paměť c žije dál: ostatní jednotky ji neslyší, a jen proto se mění jejich brány.",
    },
  },
  {
    state: { model: "first", beside: "", sound: "stop", gate: "c", order: "half-life", lit: false, hold: "" },
    en: {
      title: "Long and short memory",
      text: "The half-life of a unit is the time in which its memory falls to half, if its forget gate goes on as in this sound.",
      try: "Order the units by their half-life", question: "Which units remember the beginning of the word at its end?",
      answer: "Those at the bottom of the map of c: their stripes go on and on. At the top a stripe ends after a frame or two.",
    },
    cs: {
      title: "Dlouhá a krátká paměť",
      text: "Poločas jednotky je doba, za kterou její paměť klesne na polovinu, jde-li brána zapomínání jako v tomto zvuku.",
      try: "Seřadit jednotky podle poločasu", question: "Které jednotky si na konci slova pamatují jeho začátek?",
      answer: "Ty dole v mapě c: jejich pruhy trvají. Nahoře pruh skončí po rámci či dvou.",
    },
  },
  {
    state: { model: "rnn", beside: "lstm", sound: "right", gate: "h", order: "active", lit: false, hold: "" },
    en: {
      title: "The vanishing past",
      text: "The strip “depends on” shows how much the chosen frame changes when an earlier moment is hidden.",
      try: "Plain network and LSTM side by side", question: "Move the cursor along: how far back do the two reach?",
      answer: "Where the area falls to nothing, the past has vanished. A cell whose gates keep can reach further.",
    },
    cs: {
      title: "Mizející minulost",
      text: "Pruh „závisí na“ ukazuje, jak se zvolený rámec změní, když se dřívější okamžik skryje.",
      try: "Prostá síť a LSTM vedle sebe", question: "Posouvejte kurzor: jak daleko zpět obě dosáhnou?",
      answer: "Kde plocha klesne k nule, tam minulost zmizela. Buňka, jejíž brány drží, dosáhne dál.",
    },
  },
  {
    state: { model: "lstm", beside: "gru", sound: "go", gate: "h", order: "active", lit: false, hold: "" },
    en: {
      title: "The variants",
      text: "The GRU has one state instead of two and one gate z in place of f and i: what is kept and what is written add up to 1.",
      try: "LSTM and GRU side by side", question: "Which gate of the LSTM has no counterpart in the GRU?",
      answer: "The output gate: the whole state of a GRU is seen at every frame. Choose “peephole” to see a memory that its gates look at.",
    },
    cs: {
      title: "Varianty",
      text: "GRU má místo dvou stavů jeden a místo f a i jednu bránu z: co zůstane a co se zapíše, dá dohromady 1.",
      try: "LSTM a GRU vedle sebe", question: "Která brána LSTM nemá v GRU protějšek?",
      answer: "Výstupní: celý stav GRU je vidět v každém rámci. Zvolte „peephole“ a uvidíte paměť, na kterou se brány dívají.",
    },
  },
];
