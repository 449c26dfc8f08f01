// Leads somebody whose eyes are closed: a bell, a voice, and a screen that stays awake, as far as the browser has them.
const TONES = { begin: [[0, 1046]], open: [0, 0.9, 1.8].flatMap((at) => [523, 784, 1046, 1568].map((hz, i) => [at + 0.18 * i, hz])), failed: [[0, 523], [0.3, 392], [0.6, 262]] };

export class Leading {
  constructor() {
    window.speechSynthesis?.getVoices(); // they are fetched when first asked for, and are there later
    this.lock = null;
  }

  // From a click: only that may begin to sound.
  begin() {
    this.sound ??= window.AudioContext ? new AudioContext() : null;
    this.sound?.resume();
    this.wanted = true;
    this.stayAwake();
  }

  end() {
    this.wanted = false;
    this.lock?.release();
    this.lock = null;
  }

  // Whether this is a phone or a tablet that may lock itself, and nothing here can keep it from that.
  get sleepy() { return !this.lock && matchMedia("(pointer: coarse)").matches; }

  async stayAwake() {
    try {
      const lock = await navigator.wakeLock.request("screen"); // where the page came over https, or from this computer
      lock.addEventListener("release", () => { if (this.lock === lock) this.lock = null; });
      if (this.wanted) this.lock = lock;
      else lock.release();
    } catch {
      this.lock = null;
    }
  }

  speak(text) {
    if (!window.speechSynthesis) return;
    const voice = new SpeechSynthesisUtterance(text);
    voice.lang = "en";
    speechSynthesis.speak(voice);
  }

  ring(call) {
    if (this.sound?.state !== "running") return;
    for (const [at, hz] of TONES[call]) {
      const begin = this.sound.currentTime + at, tone = this.sound.createOscillator(), level = this.sound.createGain();
      tone.frequency.value = hz;
      level.gain.setValueAtTime(0, begin);
      level.gain.linearRampToValueAtTime(0.25, begin + 0.01);
      level.gain.exponentialRampToValueAtTime(0.001, begin + 0.9);
      tone.connect(level).connect(this.sound.destination);
      tone.start(begin);
      tone.stop(begin + 1);
    }
  }
}
