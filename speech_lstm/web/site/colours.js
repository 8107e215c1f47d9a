// The colours of the maps: matplotlib's viridis for gates and PuOr for values around 0; both safe for the colour-blind.

/** A map of 256 colours, bytes red, green, blue in base64: a number from 0 to 1 → a pixel of 32 bits. */
function colours(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)), pixels = new Uint32Array(256);
  const parts = new Uint8Array(pixels.buffer);  // of each pixel red, green, blue and how opaque it is
  for (let i = 0; i < 256; i++) parts.set([...bytes.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  return (share) => pixels[Math.max(0, Math.min(255, Math.round(255 * share)))];
}

export const SHARES = colours("RAFURAJWRQRXRQVZRgdaRghcRgpdRgteRw1gRw5hRxBjRxFkRxNlSBRnSBZoSBdpSBhqSBpsSBttSBxuSB1vSB9wSCBxSCFzSCN0SCR1SCV2SCZ3SCh4SCl5Ryp6Ryx6Ry17Ry58Ry99RjB+RjJ+RjN/RjSARTWBRTeBRTiCRDmDRDqDRDuEQz2EQz6FQj+FQkCGQkGGQUKHQUSHQEWIQEaIP0eIP0iJPkmJPkqJPkyKPU2KPU6KPE+KPFCLO1GLO1KLOlOLOlSMOVWMOVaMOFiMOFmMN1qMN1uNNlyNNl2NNV6NNV+NNGCNNGGNM2KNM2ONMmSOMmWOMWaOMWeOMWiOMGmOMGqOL2uOL2yOLm2OLm6OLm+OLXCOLXGOLHGOLHKOLHOOK3SOK3WOKnaOKneOKniOKXmOKXqOKXuOKHyOKH2OJ36OJ3+OJ4COJoGOJoKOJoKOJYOOJYSOJYWOJIaOJIeOI4iOI4mOI4qNIouNIoyNIo2NIY6NIY+NIZCNIZGMIJKMIJKMIJOMH5SMH5WLH5aLH5eLH5iLH5mKH5qKHpuKHpyJHp2JH56JH5+IH6CIH6GIH6GHH6KHIKOGIKSGIaWFIaaFIqeFIqiEI6mDJKqDJauCJayCJq2BJ62BKK6AKa9/KrB/LLF+LbJ9LrN8L7R8MbV7MrZ6NLZ5Nbd5N7h4OLl3Orp2O7t1Pbx0P7xzQL1yQr5xRL9wRsBvSMFuSsFtTMJsTsNrUMRqUsVpVMVoVsZnWMdlWshkXMhjXsliYMpgY8tfZcteZ8xcac1bbM1abs5YcM9Xc9BWddBUd9FTetFRfNJQf9NOgdNNhNRLhtVJidVIi9ZGjtZFkNdDk9dBldhAmNg+m9k8ndk7oNo5oto3pds2qNs0qtwyrdwwsN0vst0ttd4ruN4put4ovd8mwN8lwt8jxeAhyOAgyuEfzeEd0OEc0uIb1eIa2OIZ2uMZ3eMY3+MY4uQY5eQZ5+QZ6uUa7OUb7+Uc8eUd9OYe9uYg+OYh++cj/ecl");
export const SIGNED = colours("LQBLLwJNMANQMgVSMwZVNQhXNglZOAtcOQxeOw5hPA9jPhFlPxJoQRRqQhVsRBdvRRhxRxp0SRx2Sh14TB97TSB9TyKAUCOCUiWEUyaHVSiJVyuKWC6MWjGNXDSOXTeQXzqRYT2TY0CUZEOVZkaXaEmYakyaa0+bbVKcb1WecFifcluhdF6idmGkd2SleWeme2qofW2pfnCrgHOsgnWthHevhnqwiHyyin6zjIC1joK2kIW4koe5lIm7lou8mI2+mZC/m5LBnZTCn5bEoZjFo5vHpZ3Ip5/KqaHLq6PNrabOr6jQsarRs6zStK7TtrDUt7HVubPWurXXvLfYvbnZv7vawL3bwr7cw8DdxcLexsTfyMbgycjhy8nizMvjzs3kz8/l0dHm0tPn1NTo1dbp19jq2Nrr2dvr2tzs3N3s3d/t3uDt3+Hu4eLu4uPv4+Tv5OXw5efw5+jx6Onx6ery6uvy6+zz7e3z7u7z7/D08PH08vL18/P19PT29fX29vb39/f29/bz+PXx+PTu+PPs+fLp+fHm+fDk+e/h+u7f+u7c+u3a+uzX++vV++rS++nP/OjN/OfK/ObI/OXF/eXD/eTA/eO+/eK7/uG5/uC2/t6z/t2v/tus/tqp/tim/tei/tWf/tOc/tKZ/tCV/s+S/s2P/cyM/cqI/ciF/ceC/cV//cR7/cJ4/cF1/b9y/b1u/bxr/bpo/bll/Ldh+7Ve+rNb+bFY+K5V96xS9qpP9KhM86ZJ8qRG8aJC8KA/75487ps57Zk265cz6pUw6ZMt6JEq548n5o0j5Yog44gd4oYa4YQX4IIU3oAT3H8T230S2XsS13oR1XgR1HYQ0nUQ0HMPznIPzXAOy24NyW0Nx2sMxmkMxGgLwmYLwGQKvmMKvWEJu18IuV4It1wHtloHtFkGslcGsFYGrlUGrFQGqlMGqFIGplEHpE8Hok4HoE0HnkwHnEsHmkoHl0kHlUgHk0YHkUUHj0QHjUMHi0IIiUEIh0AIhT4Igz0IgTwIfzsI");

/** Line colours of roles, as in the drawings (insight/sheet.py). */
export const TINTS = {
  forget: "#56B4E9", update: "#56B4E9", input: "#009E73", reset: "#009E73", candidate: "#9467BD", output: "#E69F00",
};
export const OUTPUT = "#0072B2";  // of the cell; orange is the output gate's
